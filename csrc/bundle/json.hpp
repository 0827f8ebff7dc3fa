#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bundle/limits.hpp"
#include "third_party/nlohmann/json.hpp"

namespace edgeser {

using Json = nlohmann::json;

// Parses `text`; `name` is used in messages. Throws BundleError if it is not valid JSON, repeats a
// key in an object, has a number outside float64's range, is nested deeper than limits::json_depth,
// or is not an object.
Json parse_json(const std::string& name, std::string_view text);

// Checked entries of an object. `inside` is the object's path for messages, which say what the
// entry must be, and whether it is missing or wrong.
const Json& object_entry(const Json& object, const char* key, const std::string& inside);
const Json& list_entry(const Json& object, const char* key, const std::string& inside,
                       const char* what);
std::string string_entry(const Json& object, const char* key, const std::string& inside);
bool bool_entry(const Json& object, const char* key, const std::string& inside);
double number_entry(const Json& object, const char* key, double low, double high,
                    const std::string& inside);
std::size_t size_entry(const Json& object, const char* key, limits::Range range,
                       const std::string& inside);

// Throws BundleError for characters that a terminal or a C string would interpret: control
// characters, line and paragraph separators, and marks that change the text direction.
void require_printable(const std::string& text, const std::string& what);

}  // namespace edgeser
