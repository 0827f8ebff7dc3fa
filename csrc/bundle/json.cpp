#include "bundle/json.hpp"

#include <cmath>
#include <set>

#include "bundle/bundle_error.hpp"

namespace edgeser {
namespace {

// A value for messages: ASCII, shortened. Containers are not quoted.
std::string quoted(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > 40) text = text.substr(0, 40) + "...";
  return text;
}

const Json* find(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

[[noreturn]] void refuse(const Json* value, const std::string& place, const std::string& what) {
  throw BundleError(place + " must be " + what +
                    (value ? ", not " + quoted(*value) : ", and is missing"));
}

std::string number_text(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    return std::to_string(static_cast<long long>(value));
  }
  return Json(value).dump();
}

// Non-standard numbers, such as NaN, that end right before byte `at`.
const char* no_number(std::string_view text, std::size_t at) {
  const std::size_t from = at < 12 ? 0 : at - 12;
  const std::string_view near = text.substr(from, 24);
  for (const char* const name : {"NaN", "Infinity"}) {
    if (near.find(name) != near.npos) return name;
  }
  return nullptr;
}

// Refuses deep nesting and repeated keys, and stops at the first syntax error. The library's own
// callback for this takes quadratic time: it searches the whole parent after each object.
class Check final : public nlohmann::json_sax<Json> {
 public:
  explicit Check(const std::string& name) : name_(name) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    if (keys_.back().insert(key).second) return true;
    throw BundleError(name_ + " has the same key twice in one object");
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override {
    return false;
  }

 private:
  bool open() {
    keys_.emplace_back();
    if (keys_.size() <= limits::json_depth) return true;
    throw BundleError(name_ + " is not valid JSON for a bundle: it is nested deeper than " +
                      std::to_string(limits::json_depth) + " levels");
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  const std::string& name_;
  std::vector<std::set<std::string>> keys_;  // of the objects and lists that are open
};

}  // namespace

Json parse_json(const std::string& name, std::string_view text) {
  // nlohmann's parser skips a byte order mark and takes NUL as the end; other parsers do not.
  const std::size_t stray = text.starts_with("\xef\xbb\xbf") ? 0 : text.find('\0');
  if (stray != text.npos) {
    throw BundleError(name + " is not valid JSON (at byte " + std::to_string(stray + 1) + ")");
  }
  Check check(name);
  Json::sax_parse(text, &check);
  try {
    Json json = Json::parse(text);
    if (!json.is_object()) throw BundleError(name + " must be a JSON object");
    return json;
  } catch (const Json::parse_error& error) {  // the parser's message may quote invalid text
    if (const char* const constant = no_number(text, error.byte)) {
      throw BundleError(name + " holds " + constant + ", which is no number");
    }
    throw BundleError(name + " is not valid JSON (at byte " + std::to_string(error.byte) + ")");
  } catch (const Json::out_of_range& error) {
    // "... number overflow parsing '1e999'": it quotes only the digits.
    const std::string_view what = error.what();
    const std::size_t quote = what.find('\'');
    std::string digits(quote == what.npos ? "a number" : what.substr(quote + 1));
    if (!digits.empty() && digits.back() == '\'') digits.pop_back();
    if (digits.size() > 40) digits = digits.substr(0, 40) + "...";
    throw BundleError(name + " holds " + digits + ", which is too large for a number");
  }
}

const Json& object_entry(const Json& object, const char* key, const std::string& inside) {
  const Json* const value = find(object, key);
  if (!value || !value->is_object()) refuse(value, inside + key, "an object");
  return *value;
}

const Json& list_entry(const Json& object, const char* key, const std::string& inside,
                       const char* what) {
  const Json* const value = find(object, key);
  if (!value || !value->is_array()) refuse(value, inside + key, what);
  return *value;
}

std::string string_entry(const Json& object, const char* key, const std::string& inside) {
  const Json* const value = find(object, key);
  if (!value || !value->is_string() || value->get_ref<const std::string&>().empty()) {
    refuse(value, inside + key, "a non-empty string");
  }
  return value->get<std::string>();
}

bool bool_entry(const Json& object, const char* key, const std::string& inside) {
  const Json* const value = find(object, key);
  if (!value || !value->is_boolean()) refuse(value, inside + key, "true or false");
  return value->get<bool>();
}

double number_entry(const Json& object, const char* key, double low, double high,
                    const std::string& inside) {
  const Json* const value = find(object, key);
  if (!value || !value->is_number() ||
      !(value->get<double>() >= low && value->get<double>() <= high)) {
    refuse(value, inside + key, "a number from " + number_text(low) + " to " + number_text(high));
  }
  return value->get<double>();
}

std::size_t size_entry(const Json& object, const char* key, limits::Range range,
                       const std::string& inside) {
  const Json* const value = find(object, key);
  // The parser stores every non-negative integer as unsigned.
  if (!value || !value->is_number_unsigned() || value->get<std::uint64_t>() < range.low ||
      value->get<std::uint64_t>() > range.high) {
    refuse(
        value, inside + key,
        "a whole number from " + std::to_string(range.low) + " to " + std::to_string(range.high));
  }
  return static_cast<std::size_t>(value->get<std::uint64_t>());
}

void require_printable(const std::string& text, const std::string& what) {
  const auto byte = [&](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const unsigned a = byte(i), b = byte(i + 1), c = byte(i + 2);
    const bool control = a < 0x20 || a == 0x7f || (a == 0xc2 && b >= 0x80 && b < 0xa0);
    // U+2028 to U+202E and U+2066 to U+2069, as UTF-8.
    const bool turns = a == 0xe2 && ((b == 0x80 && c >= 0xa8 && c <= 0xae) ||
                                     (b == 0x81 && c >= 0xa6 && c <= 0xa9));
    if (control || turns) {
      throw BundleError(what + " has a control character, at byte " + std::to_string(i));
    }
  }
}

}  // namespace edgeser
