#pragma once

#include <cstddef>
#include <cstdint>

#include "matrix/precision.hpp"

namespace edgeser {

// A view of an (inputs, outputs) matrix packed for one SIMD level. Kernels are compiled once a
// level with that level's flags, so what they include is plain data: an inline function here could
// be emitted with AVX-512 instructions and picked by the linker for everyone.
//
// The outputs are cut into panels of `panel_vectors * lanes` columns, the last one narrower but a
// whole number of vectors. Within a panel the rows follow each other, so that both one token and
// a batch read the weights strictly forwards. Columns beyond `outputs` are zero weights.
//
// What a row of a panel is depends on the precision: float32, a vector of weights after another;
// bfloat16, pairs of vectors woven together, see Pair; int8, four rows woven together, the last
// ones with zeros, so that the four weights of an output are neighbours. Their order is 0 1 2 3,
// and 0 2 1 3 for a level that multiplies two at a time, see Level::dot_inputs.
struct Matrix {
  const void* weights;  // the panels, 64-byte aligned
  const float* bias;    // `padded` values
  std::size_t inputs;
  std::size_t outputs;
  std::size_t padded;  // outputs rounded up to whole vectors
  // int8 only, `padded` values each: the scale of an output's weights, and where its sum starts, to
  // make up for a level that stores inputs as x + S::byte_zero.
  const float* scales;
  const std::int32_t* starts;
};

// The bfloat16 weights of one input for two outputs that lie a vector apart: the nearer in the low
// half. The last vector of an odd number has zeros for its partner.
struct Pair {
  std::uint32_t bits;
};

constexpr std::size_t quad = 4;  // rows of int8 weights woven together

// Keeps the sums of int8 products within int32, and a quantised row within the stack.
constexpr std::size_t int8_max_inputs = 32 * 1024;

}  // namespace edgeser
