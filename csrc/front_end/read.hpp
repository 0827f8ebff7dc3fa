#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "front_end/convolution.hpp"
#include "front_end/level.hpp"
#include "front_end/plan.hpp"
#include "front_end/spectrum.hpp"

namespace edgeser {

// Computes only a spectrogram.
template <class S>
void read_spectrum(const SpectrogramPlan& plan, const float* samples, float* power) noexcept {
  alignas(64) float scratch[front_end_scratch];
  spectrogram<S>(plan, samples, power, scratch);
}

// Takes a view (without a border) through all layers of a body to `result`, a map without a border.
template <class S, Precision P>
inline void read_body(const BodyPlan& body, const float* view, float* result, float* scratch,
                      typename S::Input* quantised) {
  float* input = scratch;
  frame_map<S>(body.layers[0].input, view, input);
  for (std::size_t n = 0; n < body.count; ++n) {
    const ConvolutionPlan& layer = body.layers[n];
    const bool last = n + 1 == body.count;
    float* const output = last ? result : input + layer.input.floats;
    if (!last) clear_border<S>(layer.output, output);
    convolve<S, P>(layer, input, output, quantised);
    input = output;
  }
}

// Maps segments (rows, segment) and running levels (rows) to R_d (rows, F), E_o (rows, P, D) and
// new levels. See FrontEnd::read.
template <class S, Precision P>
void front_end_read(const FrontEndPlan& plan, const float* segments, const float* levels,
                    std::size_t rows, float* deep, float* latent, float* levels_out) noexcept {
  alignas(64) float stack[front_end_scratch];
  alignas(64) typename S::Input quantised[P == Precision::int8 ? front_end_map + quad : 1];
  const std::size_t features = plan.wide_features + plan.narrow_features;
  float* const read = stack;  // features of the rows that share a pass of the head
  float* const wide = read + front_end_head_rows * features;
  float* const narrow = wide + plan.wide_view.floats;
  float* const scratch = narrow + plan.narrow_view.floats;

  for (std::size_t first = 0; first < rows; first += front_end_head_rows) {
    const std::size_t left = rows - first;
    const std::size_t count = left < front_end_head_rows ? left : front_end_head_rows;
    for (std::size_t r = 0; r < count; ++r) {
      const std::size_t row = first + r;
      const float* const segment = segments + row * plan.segment;
      spectrogram<S>(plan.spectrogram, segment, wide, scratch);
      const float heard =
          hop_level<S>(plan.level, wide, plan.spectrogram.frames, plan.spectrogram.bins);
      const float level = next_level<S>(plan.level, levels[row], heard);
      levels_out[row] = level;
      normalise<S>(plan.level, level, wide, plan.wide_view.floats);
      read_body<S, P>(plan.wide, wide, read + r * features, scratch, quantised);
      read_body<S, P>(plan.encoder, wide, latent + row * plan.latent_floats, scratch, quantised);
      if (plan.narrow_features) {
        harmonics<S>(plan.harmonics, segment, narrow, scratch);
        normalise<S>(plan.level, level, narrow, plan.narrow_view.floats);
        read_body<S, P>(plan.narrow, narrow, read + r * features + plan.wide_features, scratch,
                        quantised);
      }
    }

    float* const result = scratch;
    multiply<S, P>(plan.head, read, features, count, result, plan.head.padded);
    const typename S::Vec zero = S::broadcast(0.0f);
    for (std::size_t r = 0; r < count; ++r) {
      float* const from = result + r * plan.head.padded;
      for (std::size_t c = 0; c < plan.head.padded; c += S::lanes) {
        S::store(from + c, S::max(S::load(from + c), zero));
      }
      std::memcpy(deep + (first + r) * plan.head.outputs, from, plan.head.outputs * sizeof(float));
    }
  }
}

}  // namespace edgeser
