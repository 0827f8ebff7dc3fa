#pragma once

#include <cstddef>
#include <cstdint>

#include "matrix/precision.hpp"

namespace edgeser {

struct Matrix;
struct TacnPlan;
struct VqFusionPlan;
struct ResamplerPlan;
struct FrontEndPlan;
struct SpectrogramPlan;

using TacnStep = void(const TacnPlan& plan, const float* tokens, std::byte* const* states,
                      const bool* active, std::size_t rows, float* logits) noexcept;
using VqFuse = void(const VqFusionPlan& plan, const float* deep, const float* latent,
                    std::size_t rows, float* tokens, std::int32_t* codes) noexcept;
using FrontEndRead = void(const FrontEndPlan& plan, const float* segments, const float* levels,
                          std::size_t rows, float* deep, float* latent, float* levels_out) noexcept;
using ResampleFilter = void(const ResamplerPlan& plan, const float* window, std::size_t phase,
                            std::size_t count, float* output) noexcept;
using SpectrumRead = void(const SpectrogramPlan& plan, const float* samples, float* power) noexcept;
// y (rows, m.padded) = x (rows, m.inputs) @ m + bias; m is packed in a Precision. Used to prepare
// weights and to convert states.
using MultiplyRows = void(const Matrix& m, const float* x, std::size_t rows, float* y) noexcept;

// One SIMD level: how it packs weights, and its compiled kernels. All levels return the same bits.
// Each level has its own compiler flags, and only its files may include its vector type. Kernels
// are templates over that type, so two levels never share a symbol.
struct Level {
  const char* name;
  std::size_t lanes;          // floats a vector
  std::size_t panel_vectors;  // vectors per panel of a packed matrix
  int byte_zero;              // representation of zero in int8 inputs
  std::size_t dot_inputs;     // inputs of a quad per int8 product

  TacnStep* step[precision_count];  // by Precision
  VqFuse* fuse[precision_count];    // by Precision
  ResampleFilter* resample;
  FrontEndRead* read[precision_count];  // by Precision
  SpectrumRead* spectrum;               // power (frames, bins) of samples, within front_end_scratch
  MultiplyRows* multiply[precision_count];  // by Precision
};

// The levels that this CPU supports, best first; the last is always "plain".
struct Levels {
  const Level* const* first;
  std::size_t count;
  const Level* const* begin() const { return first; }
  const Level* const* end() const { return first + count; }
};
Levels usable_levels() noexcept;

// The level called `name`, or the best one if it is null. Throws Error if this CPU does not support
// it.
const Level& find_level(const char* name);

}  // namespace edgeser
