#pragma once

#include <cstddef>

#include "matrix/matrix.hpp"

namespace edgeser {

// What the fused lookup needs to know, as plain data (see Matrix for why). Points into a VqFusion.
struct VqFusionPlan {
  std::size_t codes;       // K
  std::size_t code_width;  // D
  std::size_t positions;   // P
  std::size_t deep_width;  // F
  const float* codebook;   // (K, D)
  Matrix scores;           // D -> K: E @ (-2 e') + |e|^2, the squared distance less |E|^2
  Matrix fusion;           // F + P*D -> C: the deep weights, then the latent ones
};

}  // namespace edgeser
