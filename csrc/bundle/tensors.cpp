#include "bundle/tensors.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "bundle/archive.hpp"
#include "bundle/bundle_error.hpp"
#include "bundle/json.hpp"

namespace edgeser {
namespace {

// A list of sizes, none above `most`.
std::vector<std::size_t> sizes(const Json& facts, const char* key, const std::string& inside,
                               std::size_t most) {
  const char* const what = "a list of sizes that fit into the file";
  const Json& list = list_entry(facts, key, inside, what);
  std::vector<std::size_t> result;
  bool good = list.size() <= 8;
  for (std::size_t i = 0; good && i < list.size(); ++i) {
    good = list[i].is_number_unsigned() && list[i].get<std::uint64_t>() <= most;
    if (good) result.push_back(static_cast<std::size_t>(list[i].get<std::uint64_t>()));
  }
  if (!good) throw BundleError(inside + key + " must be " + what);
  return result;
}

struct Place {
  std::size_t begin, end;
  std::string name;
  std::vector<std::size_t> shape;
};

Place parse_place(const std::string& key, const Json& facts, const std::string& file,
                  std::size_t data_bytes) {
  const std::string named = file + ": " + key;
  if (!facts.is_object()) throw BundleError(named + " must be an object");
  if (const std::string type = string_entry(facts, "dtype", named + ": "); type != "F32") {
    throw BundleError(named + " is " + readable(type.substr(0, 16)) + ", not F32");
  }
  Place place{0, 0, key, sizes(facts, "shape", named + ": ", data_bytes)};
  std::size_t bytes = sizeof(float);
  for (const std::size_t size : place.shape) {
    if (size != 0 && bytes > data_bytes / size) throw BundleError(named + " exceeds the file");
    bytes *= size;
  }
  const auto range = sizes(facts, "data_offsets", named + ": ", data_bytes);
  if (range.size() != 2 || range[0] > range[1] || range[1] - range[0] != bytes) {
    throw BundleError(named + ": data_offsets do not fit the shape");
  }
  place.begin = range[0];
  place.end = range[1];
  return place;
}

Tensor read_tensor(const Place& place, const std::string& file, std::string_view data) {
  Tensor tensor{place.shape, {}};
  tensor.values.resize((place.end - place.begin) / sizeof(float));
  if (!tensor.values.empty()) {
    std::memcpy(tensor.values.data(), data.data() + place.begin, place.end - place.begin);
  }
  for (const float value : tensor.values) {
    if (!std::isfinite(value)) {
      throw BundleError(file + ": " + place.name + " holds NaN or infinite values");
    }
  }
  return tensor;
}

}  // namespace

Tensors parse_tensors(const std::string& name, std::string_view bytes) {
  const auto unreadable = [&](const char* why) {
    throw BundleError(name + " cannot be read (" + why + "): fetch the bundle again");
  };
  std::uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) unreadable("it was cut short");
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  bytes.remove_prefix(sizeof header_bytes);
  if (header_bytes > bytes.size()) unreadable("it was cut short");
  if (header_bytes > limits::tensors_header_bytes) unreadable("its header is too long");
  const auto length = static_cast<std::size_t>(header_bytes);
  const Json header = parse_json(name, bytes.substr(0, length));
  const std::string_view data = bytes.substr(length);
  std::vector<Place> places;
  for (const auto& [key, facts] : header.items()) {
    if (key == "__metadata__") continue;
    require_printable(key, name + ": the name of a tensor");
    if (key.size() > limits::name_bytes) {
      throw BundleError(name + ": the name of a tensor has " + std::to_string(key.size()) +
                        " bytes; at most " + std::to_string(limits::name_bytes) + " are allowed");
    }
    places.push_back(parse_place(key, facts, name, data.size()));
  }
  // Adjacent, so that no byte is used twice or not at all.
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  std::size_t filled = 0;
  for (const Place& place : places) {
    if (place.begin != filled) {
      throw BundleError(name + ": " + place.name +
                        (place.begin < filled ? ": its bytes overlap with another tensor's"
                                              : ": there is a gap before its bytes"));
    }
    filled = place.end;
  }
  if (filled != data.size()) throw BundleError(name + ": there are bytes after the last tensor");
  Tensors tensors;
  for (const Place& place : places) tensors[place.name] = read_tensor(place, name, data);
  return tensors;
}

}  // namespace edgeser
