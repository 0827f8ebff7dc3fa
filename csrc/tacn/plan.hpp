#pragma once

#include <cstddef>

#include "matrix/matrix.hpp"

namespace edgeser {

// Limits that keep the scratch of a step on the stack.
constexpr std::size_t tacn_max_width = 512;
constexpr std::size_t tacn_max_taps = 8;
constexpr std::size_t tacn_max_outputs = 64;

struct TacnLayer {
  Matrix projection;     // C -> Q, K, V side by side, each with heads fastest
  Matrix convolution;    // k * C -> C, the taps with the output projection folded in, newest first
  std::size_t dilation;  // d
  std::size_t ring_slots;  // (k-1)d
  std::size_t ring;        // where the layer's ring starts, in bytes from the start of the block
};

// What a step needs to know, as plain data (see Matrix for why). Points into a Tacn.
struct TacnPlan {
  std::size_t width;  // C
  std::size_t heads;  // h
  std::size_t taps;   // k
  float scale;        // 1 / sqrt(C/h)
  std::size_t layer_count;
  const TacnLayer* layers;
  Matrix head;
};

}  // namespace edgeser
