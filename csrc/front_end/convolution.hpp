#pragma once

#include <cstddef>
#include <cstring>

#include "front_end/plan.hpp"
#include "matrix/multiply.hpp"

namespace edgeser {

// Copies a map without a border into one with.
template <class S>
inline void frame_map(const MapPlan& plan, const float* from, float* to) {
  std::memset(to, 0, plan.floats * sizeof(float));
  const std::size_t row = plan.width * plan.channels;
  for (std::size_t y = 0; y < plan.height; ++y, from += row) {
    std::memcpy(to + plan.origin + y * plan.row_floats, from, row * sizeof(float));
  }
}

// The patches of a one-channel map, side by side: (positions, kernel_height * kernel_width).
template <class S>
inline void gather_patches(const ConvolutionPlan& plan, const float* input, float* patches) {
  for (std::size_t y = 0; y < plan.output.height; ++y) {
    for (std::size_t x = 0; x < plan.output.width; ++x) {
      const float* from = input + y * plan.stride_height * plan.input.row_floats +
                          x * plan.stride_width * plan.input.channels;
      for (std::size_t k = 0; k < plan.kernel_height; ++k, from += plan.input.row_floats) {
        for (std::size_t i = 0; i < plan.kernel_width; ++i) *patches++ = from[i];
      }
    }
  }
}

// One convolution, and ReLU where the plan has it. `input` and `output` point to maps with borders,
// of which only the output's inside is written. With channels fastest, a row of the kernel reads
// consecutive floats at every position, so a block of positions is a block of rows of a matrix
// product.
template <class S>
inline void convolve(const ConvolutionPlan& plan, const float* input, float* output,
                     float* patches) {
  const MapPlan& in = plan.input;
  const MapPlan& out = plan.output;
  std::size_t pieces = plan.kernel_height, piece = plan.kernel_width * in.channels;
  std::size_t step_x = plan.stride_width * in.channels;
  std::size_t step_y = plan.stride_height * in.row_floats;
  if (plan.gather) {
    gather_patches<S>(plan, input, patches);
    input = patches;
    piece *= pieces;
    pieces = 1;
    step_x = piece;
    step_y = piece * out.width;
  }
  const typename S::Vec zero = S::broadcast(0.0f);
  for_each_panel<S>(plan.weights, [&](auto vectors, std::size_t column, const float* panel) {
    constexpr std::size_t V = decltype(vectors)::value;
    std::size_t y = 0, x = 0;
    for_each_block<S>(out.height * out.width, [&](auto block, std::size_t) {
      constexpr std::size_t R = decltype(block)::value;
      const float* from[R];
      float* to[R];
      for (std::size_t r = 0; r < R; ++r) {
        from[r] = input + y * step_y + x * step_x;
        to[r] = output + out.origin + y * out.row_floats + x * out.channels + column;
        if (++x == out.width) {
          x = 0;
          ++y;
        }
      }
      alignas(64) float acc[R * V * S::lanes];
      fill_rows<S, R>(acc, plan.weights.bias + column, V * S::lanes);
      const float* weights = panel;
      for (std::size_t k = 0; k < pieces; ++k) {
        weights = multiply_add<S, R, V>(acc, from, weights, piece);
        for (std::size_t r = 0; r < R; ++r) from[r] += in.row_floats;
      }
      for (std::size_t r = 0; r < R; ++r) {
        for (std::size_t v = 0; v < V; ++v) {
          typename S::Vec value = S::load(acc + (r * V + v) * S::lanes);
          if (plan.relu) value = S::max(value, zero);
          const std::size_t at = column + v * S::lanes;
          const std::size_t left = out.channels - at;
          if (left >= S::lanes) {
            S::store(to[r] + v * S::lanes, value);
          } else {
            S::store(to[r] + v * S::lanes, value, left);
          }
        }
      }
    });
  });
}

}  // namespace edgeser
