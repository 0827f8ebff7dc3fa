#pragma once

#include <cstddef>

#include "front_end/plan.hpp"
#include "matrix/multiply.hpp"

namespace edgeser {

// Frames per matrix product, so that their scratch memory stays in the L1 cache.
constexpr std::size_t spectrum_frames = 16;

// The four folded inputs of one frame, `stride` floats apart: those of even_cosines, even_sines,
// odd_cosines and odd_sines.
inline constexpr std::size_t folds = 4;

// One folded frame: see SpectrogramPlan.
template <class S>
inline void fold_twice(const SpectrogramPlan& plan, const float* x, float* folded,
                       std::size_t stride) {
  const std::size_t window = plan.window, half = window / 2, quarter = window / 4;
  const float* const hann = plan.hann;
  float* const even_cosines = folded;
  float* const even_sines = folded + stride;
  float* const odd_cosines = folded + 2 * stride;
  float* const odd_sines = folded + 3 * stride;
  // The window is zero at x[0]; x[N/2] has no partner.
  const float middle = hann[half] * x[half];
  even_cosines[0] = middle;
  odd_cosines[0] = -middle;
  even_sines[0] = odd_sines[0] = 0.0f;
  for (std::size_t n = 1; n < quarter; ++n) {
    const float near_sum = hann[n] * (x[n] + x[window - n]);
    const float near_difference = hann[n] * (x[n] - x[window - n]);
    const float far_sum = hann[half - n] * (x[half - n] + x[half + n]);
    const float far_difference = hann[half - n] * (x[half - n] - x[half + n]);
    even_cosines[n] = near_sum + far_sum;
    odd_cosines[n] = near_sum - far_sum;
    even_sines[n] = near_difference - far_difference;
    odd_sines[n] = near_difference + far_difference;
  }
  even_cosines[quarter] = hann[quarter] * (x[quarter] + x[window - quarter]);
  odd_sines[quarter] = hann[quarter] * (x[quarter] - x[window - quarter]);
  odd_cosines[quarter] = even_sines[quarter] = 0.0f;
}

// power (frames, bins) of a segment. `scratch` holds spectrum_frames * folds * ((window/4 + 1) +
// padded outputs)) floats.
template <class S>
inline void spectrogram(const SpectrogramPlan& plan, const float* segment, float* power,
                        float* scratch) {
  const std::size_t inputs = plan.window / 4 + 1;
  const std::size_t frame_floats = folds * inputs;
  const std::size_t padded = plan.even_cosines.padded;
  const Matrix* const products[folds] = {&plan.even_cosines, &plan.even_sines, &plan.odd_cosines,
                                         &plan.odd_sines};
  float* const parts = scratch + spectrum_frames * frame_floats;  // of each frame, by product
  for (std::size_t first = 0; first < plan.frames; first += spectrum_frames) {
    const std::size_t left = plan.frames - first;
    const std::size_t count = left < spectrum_frames ? left : spectrum_frames;
    for (std::size_t f = 0; f < count; ++f) {
      fold_twice<S>(plan, segment + (first + f) * plan.hop, scratch + f * frame_floats, inputs);
    }
    for (std::size_t part = 0; part < folds; ++part) {
      multiply<S>(*products[part], scratch + part * inputs, frame_floats, count,
                  parts + part * padded, folds * padded);
    }
    for (std::size_t f = 0; f < count; ++f) {
      float* const to = power + (first + f) * plan.bins;
      const float* const even_real = parts + f * folds * padded;
      const float* const even_imaginary = even_real + padded;
      const float* const odd_real = even_imaginary + padded;
      const float* const odd_imaginary = odd_real + padded;
      for (std::size_t j = 0; j < plan.bins / 2; ++j) {
        // Bin 1 comes first, so odd k are at even places.
        to[2 * j] = odd_real[j] * odd_real[j] + odd_imaginary[j] * odd_imaginary[j];
        to[2 * j + 1] = even_real[j] * even_real[j] + even_imaginary[j] * even_imaginary[j];
      }
    }
  }
}

// power (frames, bands) of a segment. `scratch` holds frames * (window + 2 * padded bands) floats.
template <class S>
inline void harmonics(const HarmonicsPlan& plan, const float* segment, float* power,
                      float* scratch) {
  const std::size_t half = plan.window / 2;
  const std::size_t padded = plan.cosines.padded;
  float* const sums = scratch;
  float* const differences = sums + plan.frames * half;
  float* const real = differences + plan.frames * half;
  float* const imaginary = real + plan.frames * padded;
  for (std::size_t f = 0; f < plan.frames; ++f) {
    const float* const middle = segment + plan.start + f * plan.hop + half;
    float* const sum = sums + f * half;
    float* const difference = differences + f * half;
    sum[0] = plan.hann[0] * middle[0];
    difference[0] = 0.0f;
    for (std::size_t m = 1; m < half; ++m) {
      const float before = *(middle - m);
      sum[m] = plan.hann[m] * (middle[m] + before);
      difference[m] = plan.hann[m] * (middle[m] - before);
    }
  }
  multiply<S>(plan.cosines, sums, half, plan.frames, real, padded);
  multiply<S>(plan.sines, differences, half, plan.frames, imaginary, padded);
  for (std::size_t f = 0; f < plan.frames; ++f) {
    const float* const re = real + f * padded;
    const float* const im = imaginary + f * padded;
    float* const to = power + f * plan.bands;
    for (std::size_t b = 0; b < plan.bands; ++b) to[b] = re[b] * re[b] + im[b] * im[b];
  }
}

}  // namespace edgeser
