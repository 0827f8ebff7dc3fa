#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bundle/limits.hpp"
#include "third_party/nlohmann/json.hpp"

namespace edgeser {

using Json = nlohmann::json;

// Parses `text`; `name` is what errors call it. Throws BundleError if it is not valid JSON, has the
// same key twice in one object, a number that float64 cannot hold, is nested deeper than
// limits::json_depth, or is not an object.
Json parse_json(const std::string& name, std::string_view text);

// Entries of an object, each checked. `inside` is the object's path, for errors: they say what the
// entry must be, whether it is missing or another thing.
const Json& object_entry(const Json& object, const char* key, const std::string& inside);
const Json& list_entry(const Json& object, const char* key, const std::string& inside,
                       const char* what);
std::string string_entry(const Json& object, const char* key, const std::string& inside);
bool bool_entry(const Json& object, const char* key, const std::string& inside);
double number_entry(const Json& object, const char* key, double low, double high,
                    const std::string& inside);
std::size_t size_entry(const Json& object, const char* key, limits::Range range,
                       const std::string& inside);

// Throws BundleError if a text has characters that a terminal or a C string takes for more than
// text: control characters, line and paragraph separators, marks that turn the direction around.
void require_printable(const std::string& text, const std::string& what);

}  // namespace edgeser
