#pragma once

#include <string_view>

#include "bundle/manifest.hpp"

namespace edgeser {

// Looks into an ONNX file without executing it. Its inputs must be segment (B, segment) and level
// (B), its outputs deep (B, F), latent (B, P, D) and level_out (B), all float32, with B free. All
// of it must be in the file, its size must be bounded, and it must be of operators alone: no other
// files ("external data"), no graphs within it and so no loops, no functions, no sparse tensors.
//
// What one parser of protobuf reads otherwise than another must not pass by it: each varint must be
// as short as it can be, each field one that is known, and single where one is asked for.
//
// Throws BundleError for the first thing that is wrong.
void check_graph(std::string_view bytes, const Sizes& sizes);

}  // namespace edgeser
