#include "bundle/json.hpp"

#include <set>
#include <vector>

#include "bundle/bundle_error.hpp"

namespace edgeser {

Json parse_json(const std::string& name, std::string_view text) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto no_duplicates = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys.back().insert(parsed.get<std::string>()).second) {
      throw BundleError(name + " has the same key twice in one object");
    }
    return true;
  };
  try {
    Json json = Json::parse(text, no_duplicates);
    if (!json.is_object()) throw BundleError(name + " must be a JSON object");
    return json;
  } catch (const Json::parse_error& error) {  // what it says may quote bytes that are no text
    throw BundleError(name + " is not valid JSON (at byte " + std::to_string(error.byte) + ")");
  }
}

const Json& entry(const Json& object, const char* key, const std::string& inside) {
  const auto found = object.find(key);
  if (found == object.end()) throw BundleError(inside + key + " is missing");
  return *found;
}

const Json& object_entry(const Json& object, const char* key, const std::string& inside) {
  const Json& value = entry(object, key, inside);
  if (!value.is_object()) throw BundleError(inside + key + " must be an object");
  return value;
}

std::string string_entry(const Json& object, const char* key, const std::string& inside) {
  const Json& value = entry(object, key, inside);
  if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
    throw BundleError(inside + key + " must be a non-empty string");
  }
  return value.get<std::string>();
}

double number_entry(const Json& object, const char* key, double low, double high,
                    const std::string& inside) {
  const Json& value = entry(object, key, inside);
  if (!value.is_number() || !(value.get<double>() >= low && value.get<double>() <= high)) {
    throw BundleError(inside + key + " must be a number from " + std::to_string(low) + " to " +
                      std::to_string(high));
  }
  return value.get<double>();
}

std::size_t size_entry(const Json& object, const char* key, std::size_t low, std::size_t high,
                       const std::string& inside) {
  const Json& value = entry(object, key, inside);
  // Unsigned is what the parser makes of every whole number that is not negative.
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() < low ||
      value.get<std::uint64_t>() > high) {
    throw BundleError(inside + key + " must be a whole number from " + std::to_string(low) +
                      " to " + std::to_string(high) + ", not " + value.dump());
  }
  return static_cast<std::size_t>(value.get<std::uint64_t>());
}

}  // namespace edgeser
