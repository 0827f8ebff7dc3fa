#pragma once

#include <cstddef>
#include <cstdint>

#include "matrix/matrix.hpp"

namespace edgeser {

// Limits, so that a step's scratch memory fits on the stack.
constexpr std::size_t tacn_max_width = 512;
constexpr std::size_t tacn_max_taps = 8;
constexpr std::size_t tacn_max_outputs = 64;

// What a ring stores for a token. The first two store the layer's input, from which each step
// projects Q, K and V of its taps again, with the same bits; this takes a third of the memory, or a
// twelfth in int8. The last is the layout of streams on a GPU.
enum class Rings : std::uint32_t {
  float32 = 0,      // C values
  int8 = 1,         // as int8 products read them: float32 scale, C bytes, padding to 4
  projections = 2,  // (3, C/h, h) float32: Q, K and V with heads fastest
};

struct TacnLayer {
  Matrix projection;     // C -> Q, K, V side by side, each with heads fastest
  Matrix convolution;    // k * C -> C, the taps with the output projection folded in, newest first
  std::size_t dilation;  // d
  std::size_t ring_slots;  // (k-1)d
  std::size_t ring;        // offset of the layer's ring in the block, in bytes
};

// The parameters of a step, as plain data (see Matrix for the reason). Points into a Tacn.
struct TacnPlan {
  std::size_t width;  // C
  std::size_t heads;  // h
  std::size_t taps;   // k
  float scale;        // 1 / sqrt(C/h)
  std::size_t layer_count;
  const TacnLayer* layers;
  Rings rings;
  std::size_t slot_bytes;
  Matrix head;
};

}  // namespace edgeser
