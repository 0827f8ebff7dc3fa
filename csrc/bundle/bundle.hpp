#pragma once

#include <string>
#include <string_view>

#include "bundle/manifest.hpp"
#include "bundle/sha256.hpp"
#include "bundle/tensors.hpp"

namespace edgeser {

// The contents of a bundle, NAME.edgeser, all checked: what edgeser/bundle/reader.py checks, but
// that nothing looks into the ONNX graph.
struct Bundle {
  Manifest manifest;
  Digest hash;            // SHA-256 of the manifest: names the model
  std::string front_end;  // frontend.onnx
  Tensors tensors;        // of kernels.safetensors

  // The values of a tensor that must be there, in that shape. Throws BundleError otherwise.
  const float* tensor(const std::string& name, const std::vector<std::size_t>& shape) const;
};

// Throws BundleError for anything that is not as it was written.
Bundle parse_bundle(std::string_view bytes);

// The bytes of a bundle. `path` is UTF-8. Throws BundleError if they cannot be had.
std::string read_bundle_file(const std::string& path);

}  // namespace edgeser
