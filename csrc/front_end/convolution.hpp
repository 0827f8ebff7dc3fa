#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "front_end/plan.hpp"
#include "matrix/multiply.hpp"

namespace edgeser {

// Sets only the border of a map to zeros.
template <class S>
inline void clear_border(const MapPlan& plan, float* map) {
  const std::size_t row = plan.width * plan.channels;
  std::size_t at = 0, end = plan.origin;
  for (std::size_t y = 0; y < plan.height; ++y) {
    std::memset(map + at, 0, (end - at) * sizeof(float));
    at = end + row;
    end += plan.row_floats;
  }
  std::memset(map + at, 0, (plan.floats - at) * sizeof(float));
}

// Copies a map without a border into one with a border.
template <class S>
inline void frame_map(const MapPlan& plan, const float* from, float* to) {
  clear_border<S>(plan, to);
  const std::size_t row = plan.width * plan.channels;
  for (std::size_t y = 0; y < plan.height; ++y, from += row) {
    std::memcpy(to + plan.origin + y * plan.row_floats, from, row * sizeof(float));
  }
}

// How a precision stores the weights of the bodies, see Matrix; and the type of their input maps.
template <class S, Precision P>
struct Stored {
  using Weight = float;
  using Input = float;
};
template <class S>
struct Stored<S, Precision::bfloat16> {
  using Weight = Pair;
  using Input = float;
};
template <class S>
struct Stored<S, Precision::int8> {
  using Weight = std::int8_t;
  using Input = typename S::Input;
};

// The results of R positions and one panel: bias + kernel @ patches. A kernel's row reads
// consecutive values at each position. Kernels with few inputs, such as those on one-channel maps,
// are a single run; in others, each row has one run or more.
template <class S, std::size_t R, std::size_t V, class Weight>
EDGESER_NOINLINE void convolve_block(const ConvolutionPlan& plan,
                                     const float* const (&positions)[R], std::size_t column,
                                     const Weight* weights, std::size_t stride, float,
                                     typename S::Vec (&result)[R][V]) {
  const std::size_t pieces = plan.kernel_height, piece = plan.piece;
  const bool one_run = pieces * piece <= longest_run;
  const std::size_t runs = one_run ? 1 : (piece + longest_run - 1) / longest_run;
  const float* from[R];
  typename S::Vec sum[R][V];
  typename S::Vec total[V];
  EDGESER_UNROLL
  for (std::size_t v = 0; v < V; ++v) total[v] = S::load(plan.weights.bias + column + v * S::lanes);
  EDGESER_UNROLL
  for (std::size_t r = 0; r < R; ++r) {
    EDGESER_UNROLL
    for (std::size_t v = 0; v < V; ++v) result[r][v] = total[v];
  }
  begin_run<S>(sum);
  for (std::size_t k = 0; k < pieces; ++k) {
    for (std::size_t run = 0, start = 0; run < runs; ++run) {
      const std::size_t count = (piece - start) / (runs - run);
      EDGESER_UNROLL
      for (std::size_t r = 0; r < R; ++r)
        from[r] = positions[r] + k * plan.input.row_floats + start;
      continue_run<S>(sum, from, weights, stride, count);
      weights += count * stride;
      start += count;
      if (one_run && k + 1 < pieces) continue;
      EDGESER_UNROLL
      for (std::size_t r = 0; r < R; ++r) {
        EDGESER_UNROLL
        for (std::size_t v = 0; v < V; ++v) result[r][v] = S::add(result[r][v], sum[r][v]);
      }
      begin_run<S>(sum);
    }
  }
}

// The same in int8: integer sums are exact, and the map has one scale.
template <class S, std::size_t R, std::size_t V>
EDGESER_NOINLINE void convolve_block(const ConvolutionPlan& plan,
                                     const typename S::Input* const (&positions)[R],
                                     std::size_t column, const std::int8_t* weights,
                                     std::size_t stride, float scale,
                                     typename S::Vec (&result)[R][V]) {
  const Matrix& m = plan.weights;
  const typename S::Input* from[R];
  typename S::Ints sum[R][V];
  EDGESER_UNROLL
  for (std::size_t r = 0; r < R; ++r) {
    EDGESER_UNROLL
    for (std::size_t v = 0; v < V; ++v) sum[r][v] = S::load_ints(m.starts + column + v * S::lanes);
  }
  for (std::size_t k = 0; k < plan.kernel_height; ++k) {
    EDGESER_UNROLL
    for (std::size_t r = 0; r < R; ++r) from[r] = positions[r] + k * plan.input.row_floats;
    dot_rows<S>(sum, from, weights, stride, plan.piece);
    weights += plan.piece / quad * stride;
  }
  EDGESER_UNROLL
  for (std::size_t v = 0; v < V; ++v) {
    const std::size_t at = column + v * S::lanes;
    const typename S::Vec scales = S::mul(S::broadcast(scale), S::load(m.scales + at));
    EDGESER_UNROLL
    for (std::size_t r = 0; r < R; ++r) {
      result[r][v] = S::fma(S::to_float(sum[r][v]), scales, S::load(m.bias + at));
    }
  }
}

// `input` is a map with its border; its values are the stored ones times `scale`.
template <class S, class Weight, class Input>
inline void convolve_map(const ConvolutionPlan& plan, const Input* input, float scale,
                         float* output) {
  const MapPlan& in = plan.input;
  const MapPlan& out = plan.output;
  const std::size_t step_x = plan.stride_width * in.channels;
  const std::size_t step_y = plan.stride_height * in.row_floats;
  const typename S::Vec zero = S::broadcast(0.0f);
  constexpr std::size_t rows = std::is_same_v<Input, float> ? S::block_rows : S::int_rows;
  for_each_panel<S, Weight>(
      plan.weights, [&](auto vectors, std::size_t column, const Weight* panel) {
        constexpr std::size_t V = decltype(vectors)::value;
        std::size_t y = 0, x = 0;
        for_each_block<S, rows>(out.height * out.width, [&](auto block, std::size_t) {
          constexpr std::size_t R = decltype(block)::value;
          const Input* from[R];
          float* to[R];
          for (std::size_t r = 0; r < R; ++r) {
            from[r] = input + y * step_y + x * step_x;
            to[r] = output + out.origin + y * out.row_floats + x * out.channels;
            if (++x == out.width) {
              x = 0;
              ++y;
            }
          }
          for_each_tile<S, R, V>([&](auto width, auto first) {
            constexpr std::size_t T = decltype(width)::value;
            const std::size_t at = column + first.value * S::lanes;
            typename S::Vec result[R][T];
            convolve_block<S, R, T>(plan, from, at, panel + row_size<S, Weight>(first.value),
                                    row_size<S, Weight>(V), scale, result);
            for (std::size_t r = 0; r < R; ++r) {
              for (std::size_t v = 0; v < T; ++v) {
                const typename S::Vec value = plan.relu ? S::max(result[r][v], zero) : result[r][v];
                float* const put = to[r] + at + v * S::lanes;
                const std::size_t left = out.channels - at - v * S::lanes;
                if (left >= S::lanes) {
                  S::store(put, value);
                } else {
                  S::store(put, value, left);
                }
              }
            }
          });
        });
      });
}

// One convolution, followed by ReLU if the plan says so. `input` and `output` point to maps with
// borders; only the inside of the output is written. Channels are the fastest axis, so a row of the
// kernel reads consecutive floats at every position, and a block of positions is a block of rows of
// a matrix product. In int8 the whole map is first quantised as one row, into `quantised`.
template <class S, Precision P>
inline void convolve(const ConvolutionPlan& plan, const float* input, float* output,
                     typename S::Input* quantised) {
  using Weight = typename Stored<S, P>::Weight;
  if constexpr (P == Precision::int8) {
    const float scale = quantise_row<S>(input, plan.input.floats, quantised);
    convolve_map<S, Weight>(plan, quantised, scale, output);
  } else {
    convolve_map<S, Weight>(plan, input, 1.0f, output);
  }
}

}  // namespace edgeser
