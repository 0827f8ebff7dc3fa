#pragma once

#include <cstddef>
#include <cstdint>

#include "matrix/precision.hpp"

namespace edgeser {

// A view of an (inputs, outputs) matrix packed for one SIMD level. Kernels are compiled once for
// each level with its compiler flags, so the headers that they share contain only plain data: an
// inline function here could be compiled to AVX-512 instructions, and the linker could pick that
// copy for all levels.
//
// The outputs are divided into panels of `panel_vectors * lanes` columns; the last one may be
// narrower, but is a whole number of vectors. Within a panel the rows are consecutive, so that a
// token as well as a batch reads the weights strictly forwards. Columns beyond `outputs` have zero
// weights.
//
// A row of a panel depends on the precision. float32: vectors of weights; bfloat16: interleaved
// pairs of vectors, see Pair; int8: four interleaved rows (padded with zeros), so that the four
// weights of an output are adjacent. Their order is 0 1 2 3, or 0 2 1 3 for a level that multiplies
// two at a time, see Level::dot_inputs.
struct Matrix {
  const void* weights;  // the panels, 64-byte aligned
  const float* bias;    // `padded` values
  std::size_t inputs;
  std::size_t outputs;
  std::size_t padded;  // outputs rounded up to whole vectors
  // int8 only, `padded` values each: the scale of an output's weights, and the start value of its
  // sum, which compensates for levels that store inputs as x + S::byte_zero.
  const float* scales;
  const std::int32_t* starts;
};

// The bfloat16 weights of one input for two outputs that are one vector apart, the first in the low
// half. The partner of an unpaired last vector is zeros.
struct Pair {
  std::uint32_t bits;
};

constexpr std::size_t quad = 4;  // interleaved rows of int8 weights

// Limits for which sums of int8 products fit int32, and a quantised row fits the stack.
constexpr std::size_t int8_max_inputs = 32 * 1024;

}  // namespace edgeser
