#pragma once

#include <cstddef>

namespace edgeser {

// Number of interleaved accumulators of a dot product, the same at every SIMD level.
constexpr std::size_t resampler_accumulators = 16;

// A rational resampler as plain data (see Matrix for the reason). Points into a Resampler.
struct ResamplerPlan {
  std::size_t up;            // L: output m is at m * M / L input samples
  std::size_t down;          // M
  std::size_t taps;          // T per phase, a multiple of resampler_accumulators
  std::size_t table_phases;  // L if every phase has its own row, otherwise phases are interpolated
  const float* table;        // (table_phases + 1, T)
};

}  // namespace edgeser
