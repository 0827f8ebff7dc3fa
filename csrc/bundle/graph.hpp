#pragma once

#include <string_view>

#include "bundle/manifest.hpp"

namespace edgeser {

// Checks an ONNX file without executing it. Its inputs must be segment (B, segment) and level (B),
// its outputs deep (B, F), latent (B, P, D) and level_out (B), all float32, with B variable.
// Everything must be in the file, its size must be bounded, and it may only contain operators: no
// other files ("external data"), no subgraphs (and so no loops), no functions, no sparse tensors.
//
// Protobuf that different parsers could read differently is refused: each varint must have its
// shortest form, each field must be known, and non-repeated fields must occur once.
// Throws BundleError for the first thing that is wrong.
void check_graph(std::string_view bytes, const Sizes& sizes);

}  // namespace edgeser
