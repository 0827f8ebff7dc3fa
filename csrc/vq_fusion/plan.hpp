#pragma once

#include <cstddef>

#include "matrix/matrix.hpp"

namespace edgeser {

// The parameters of the fused lookup, as plain data (see Matrix for the reason). Points into a
// VqFusion.
struct VqFusionPlan {
  std::size_t codes;       // K
  std::size_t code_width;  // D
  std::size_t positions;   // P
  std::size_t deep_width;  // F
  const float* codebook;   // (K, D)
  Matrix scores;           // D -> K: E @ (-2 e') + |e|^2, the squared distance less |E|^2
  Matrix deep;             // F -> C
  // The contribution of the codes: if it is small enough, a table (P * K, C) of every code at every
  // position, already multiplied; otherwise the weights to multiply them with, P*D -> C.
  Matrix latent;
  bool premultiplied;
};

}  // namespace edgeser
