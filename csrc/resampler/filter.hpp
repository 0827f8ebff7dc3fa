#pragma once

#include <cstddef>

#include "resampler/plan.hpp"
#include "simd/compiler.hpp"

namespace edgeser {

// sum_j a[j] * b[j]. Accumulator i takes every j = i (mod 16) in ascending order; the 16 are then
// added in halves: i and i + 8, i and i + 4, and so on.
template <class S>
inline float interleaved_dot(const float* a, const float* b, std::size_t count) {
  constexpr std::size_t vectors = resampler_accumulators / S::lanes;
  static_assert(vectors * S::lanes == resampler_accumulators);
  typename S::Vec acc[vectors];
  EDGESER_UNROLL
  for (std::size_t v = 0; v < vectors; ++v) acc[v] = S::broadcast(0.0f);
  for (std::size_t j = 0; j < count; j += resampler_accumulators) {
    EDGESER_UNROLL
    for (std::size_t v = 0; v < vectors; ++v) {
      const std::size_t at = j + v * S::lanes;
      acc[v] = S::fma(S::load(a + at), S::load(b + at), acc[v]);
    }
  }
  float sum[resampler_accumulators];
  EDGESER_UNROLL
  for (std::size_t v = 0; v < vectors; ++v) S::store(sum + v * S::lanes, acc[v]);
  EDGESER_UNROLL
  for (std::size_t half = resampler_accumulators / 2; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) sum[i] += sum[i + half];
  }
  return sum[0];
}

// `count` successive outputs. `window` points at the oldest sample under the first output's filter,
// whose phase is `phase` / L of an input sample.
template <class S>
void resample_filter(const ResamplerPlan& plan, const float* window, std::size_t phase,
                     std::size_t count, float* output) noexcept {
  const std::size_t whole = plan.down / plan.up;
  const std::size_t part = plan.down % plan.up;
  for (std::size_t m = 0; m < count; ++m) {
    const std::size_t scaled = phase * plan.table_phases;
    const std::size_t row = scaled / plan.up;
    const std::size_t rest = scaled % plan.up;
    const float* const taps = plan.table + row * plan.taps;
    float value = interleaved_dot<S>(taps, window, plan.taps);
    if (rest != 0) {
      const float next = interleaved_dot<S>(taps + plan.taps, window, plan.taps);
      const float difference = next - value;
      const float step = difference * (static_cast<float>(rest) / static_cast<float>(plan.up));
      value = value + step;
    }
    output[m] = value;
    window += whole;
    phase += part;
    if (phase >= plan.up) {
      phase -= plan.up;
      ++window;
    }
  }
}

}  // namespace edgeser
