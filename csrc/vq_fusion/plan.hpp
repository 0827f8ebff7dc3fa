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
  Matrix deep;             // F -> C
  // What a token gets for its codes: as long as that is small, a table of every code at every
  // position, already multiplied, (P * K, C); else the weights to multiply them with, P*D -> C.
  Matrix latent;
  bool premultiplied;
};

}  // namespace edgeser
