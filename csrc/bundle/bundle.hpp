#pragma once

#include <string>
#include <string_view>

#include "bundle/manifest.hpp"
#include "bundle/sha256.hpp"
#include "bundle/tensors.hpp"

namespace edgeser {

// The contents of a bundle, NAME.edgeser, completely checked: the only reader of bundles.
struct Bundle {
  Manifest manifest;
  std::string manifest_text;  // JSON, UTF-8
  Digest hash;                // SHA-256 of manifest_text; identifies the model
  std::string front_end;      // frontend.onnx; empty if not requested
  Tensors tensors;            // of kernels.safetensors, exactly those that the manifest requires

  // The values of a required tensor of this shape. Throws BundleError if it differs.
  const float* tensor(const std::string& name, const std::vector<std::size_t>& shape) const;
};

// Throws BundleError for anything that our writer would not write. `graph`: whether frontend.onnx
// is needed. If not, and the manifest contains the layers, the graph is neither hashed nor kept.
Bundle parse_bundle(std::string_view bytes, bool graph = true);

}  // namespace edgeser
