#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace edgeser {

// A float32 tensor, row-major.
struct Tensor {
  std::vector<std::size_t> shape;
  std::vector<float> values;
};
using Tensors = std::map<std::string, Tensor>;

// Reads a safetensors file (github.com/huggingface/safetensors, README, "Format"). Throws
// BundleError, with the file's `name`, if it is damaged, has another type than float32, or a value
// that is not finite.
Tensors parse_tensors(const std::string& name, std::string_view bytes);

}  // namespace edgeser
