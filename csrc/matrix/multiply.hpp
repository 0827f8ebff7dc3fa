#pragma once

#include <cstddef>
#include <type_traits>

#include "matrix/int8.hpp"
#include "matrix/matrix.hpp"
#include "matrix/panels.hpp"
#include "matrix/runs.hpp"
#include "simd/compiler.hpp"

namespace edgeser {

// multiply() for precisions whose weights are widened to float32. A run of a panel's inputs fits
// the L1 cache and is used for all rows; until the last run, y holds partial sums.
template <class S, class Weight, class Between>
inline void multiply_floats(const Matrix& m, const float* x, std::size_t x_stride, std::size_t rows,
                            float* y, std::size_t y_stride, Between&& between) {
  for_each_panel<S, Weight>(m, [&](auto vectors, std::size_t column, const Weight* weights) {
    constexpr std::size_t V = decltype(vectors)::value;
    for (std::size_t run = 0; run < run_count<S>(m.inputs); ++run) {
      const Run part = run_at<S>(m.inputs, run);
      for_each_block<S>(rows, [&](auto block, std::size_t row) {
        constexpr std::size_t R = decltype(block)::value;
        const float* inputs[R];
        for (std::size_t r = 0; r < R; ++r) inputs[r] = x + (row + r) * x_stride + part.start;
        for_each_tile<S, R, V>([&](auto width, auto first) {
          typename S::Vec sum[R][decltype(width)::value];
          multiply_run<S>(sum, inputs, weights + row_size<S, Weight>(first.value),
                          row_size<S, Weight>(V), part.count);
          const std::size_t at = column + first.value * S::lanes;
          EDGESER_UNROLL
          for (std::size_t r = 0; r < R; ++r) {
            float* const to = y + (row + r) * y_stride + at;
            add_to_total<S>(run == 0 ? m.bias + at : to, sum[r], to);
          }
        });
        between();
      });
      weights += part.count * row_size<S, Weight>(V);
    }
  });
}

// y = x @ m + bias for `rows` rows; m is packed in precision P. Rows of x and y are `x_stride` and
// `y_stride` floats apart; y rows have room for m.padded values. `between` is called after each of
// product_pieces() pieces of the work, for work that is best spread out, such as prefetching.
template <class S, Precision P, class Between>
inline void multiply(const Matrix& m, const float* x, std::size_t x_stride, std::size_t rows,
                     float* y, std::size_t y_stride, Between&& between) {
  using Weight = std::conditional_t<P == Precision::bfloat16, Pair, float>;
  if constexpr (P == Precision::int8) {
    multiply_int8<S>(m, x, x_stride, rows, y, y_stride, between);
  } else {
    multiply_floats<S, Weight>(m, x, x_stride, rows, y, y_stride, between);
  }
}
template <class S, Precision P = Precision::float32>
inline void multiply(const Matrix& m, const float* x, std::size_t x_stride, std::size_t rows,
                     float* y, std::size_t y_stride) {
  multiply<S, P>(m, x, x_stride, rows, y, y_stride, [] {});
}

// Number of pieces in which multiply() processes this many rows.
template <class S, Precision P>
inline std::size_t product_pieces(const Matrix& m, std::size_t rows) {
  const std::size_t panels = (m.padded / S::lanes + S::panel_vectors - 1) / S::panel_vectors;
  if constexpr (P == Precision::int8) return panels * ((rows + S::int_rows - 1) / S::int_rows);
  return panels * run_count<S>(m.inputs) * ((rows + S::block_rows - 1) / S::block_rows);
}

}  // namespace edgeser
