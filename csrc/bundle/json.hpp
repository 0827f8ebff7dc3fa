#pragma once

#include <string>
#include <string_view>

#include "third_party/nlohmann/json.hpp"

namespace edgeser {

using Json = nlohmann::json;

// Parses `text`; `name` is what errors call it. Throws BundleError if it is not valid JSON, has the
// same key twice in one object, or is not an object.
Json parse_json(const std::string& name, std::string_view text);

// The entry `key` of an object, which must be there. `inside` is its path, for errors.
const Json& entry(const Json& object, const char* key, const std::string& inside);

const Json& object_entry(const Json& object, const char* key, const std::string& inside);
std::string string_entry(const Json& object, const char* key, const std::string& inside);
double number_entry(const Json& object, const char* key, double low, double high,
                    const std::string& inside);
std::size_t size_entry(const Json& object, const char* key, std::size_t low, std::size_t high,
                       const std::string& inside);

}  // namespace edgeser
