#pragma once

#include <string>
#include <string_view>

#include "bundle/manifest.hpp"
#include "bundle/sha256.hpp"
#include "bundle/tensors.hpp"

namespace edgeser {

// The contents of a bundle, NAME.edgeser, all checked: the only reader of bundles.
struct Bundle {
  Manifest manifest;
  std::string manifest_text;  // JSON, UTF-8
  Digest hash;                // SHA-256 of it: names the model
  std::string front_end;      // frontend.onnx; empty where it was not asked for
  Tensors tensors;            // of kernels.safetensors, exactly those that the manifest asks for

  // The values of a tensor that must be there, in that shape. Throws BundleError otherwise.
  const float* tensor(const std::string& name, const std::vector<std::size_t>& shape) const;
};

// Throws BundleError for anything that is not as it was written. `graph` says whether frontend.onnx
// is wanted: if not, and the manifest tells the layers that it has, it is neither hashed nor kept.
Bundle parse_bundle(std::string_view bytes, bool graph = true);

}  // namespace edgeser
