#include "bundle/tensors.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "bundle/bundle_error.hpp"
#include "bundle/json.hpp"

namespace edgeser {
namespace {

// A list of sizes, none above `most`, nor their product.
std::vector<std::size_t> sizes(const Json& facts, const char* key, const std::string& inside,
                               std::size_t most) {
  const Json& list = entry(facts, key, inside);
  std::vector<std::size_t> result;
  bool good = list.is_array() && list.size() <= 8;
  for (std::size_t i = 0; good && i < list.size(); ++i) {
    good = list[i].is_number_unsigned() && list[i].get<std::uint64_t>() <= most;
    if (good) result.push_back(static_cast<std::size_t>(list[i].get<std::uint64_t>()));
  }
  if (!good) throw BundleError(inside + key + " must be a list of sizes that fit into the file");
  return result;
}

Tensor parse_tensor(const Json& facts, const std::string& inside, std::string_view data) {
  if (!facts.is_object()) throw BundleError(inside + "must be an object");
  if (const std::string type = string_entry(facts, "dtype", inside); type != "F32") {
    throw BundleError(inside + "is " + type + ", not F32");
  }
  Tensor tensor{sizes(facts, "shape", inside, data.size()), {}};
  std::size_t bytes = sizeof(float);
  for (const std::size_t size : tensor.shape) {
    if (size != 0 && bytes > data.size() / size) throw BundleError(inside + "exceeds the file");
    bytes *= size;
  }
  const auto range = sizes(facts, "data_offsets", inside, data.size());
  if (range.size() != 2 || range[0] > range[1] || range[1] - range[0] != bytes) {
    throw BundleError(inside + "data_offsets do not fit the shape");
  }
  tensor.values.resize(bytes / sizeof(float));
  if (bytes != 0) std::memcpy(tensor.values.data(), data.data() + range[0], bytes);
  for (const float value : tensor.values) {
    if (!std::isfinite(value)) throw BundleError(inside + "holds NaN or infinite values");
  }
  return tensor;
}

}  // namespace

Tensors parse_tensors(const std::string& name, std::string_view bytes) {
  std::uint64_t header_bytes = 0;
  if (bytes.size() < sizeof header_bytes) throw BundleError(name + " was cut short");
  std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
  bytes.remove_prefix(sizeof header_bytes);
  if (header_bytes > bytes.size()) throw BundleError(name + " was cut short");
  const auto length = static_cast<std::size_t>(header_bytes);
  const Json header = parse_json(name, bytes.substr(0, length));
  Tensors tensors;
  for (const auto& [key, facts] : header.items()) {
    if (key == "__metadata__") continue;
    tensors[key] = parse_tensor(facts, name + ": " + key + ": ", bytes.substr(length));
  }
  return tensors;
}

}  // namespace edgeser
