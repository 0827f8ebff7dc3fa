#pragma once

#include <cstddef>
#include <cstring>

#include "matrix/matrix.hpp"
#include "simd/compiler.hpp"

namespace edgeser {

template <std::size_t N>
struct Size {
  static constexpr std::size_t value = N;
};

// Calls f(Size<n>) for the n in 1..Max known only at run time.
template <class S, std::size_t Max, class F>
inline void with_size(std::size_t n, F&& f) {
  if constexpr (Max > 1) {
    if (n < Max) return with_size<S, Max - 1>(n, f);
  }
  f(Size<Max>{});
}

// Inputs summed in one go before they join the total: a sum of sums loses less to rounding than one
// long sum. Runs are even, so that none is too short to be worth its two trips to memory.
constexpr std::size_t run_inputs = 64;
constexpr std::size_t longest_run = 80;

// sum[r][v] = sum_i x[r][i] * weights[i][v] over one run: a fused multiply-add after another for
// ascending i, from zero. Every output lane has its own sum, so neither the vector width nor the
// number of rows computed together can change a bit of the result.
template <class S, std::size_t Rows, std::size_t Vectors>
inline void multiply_run(typename S::Vec (&sum)[Rows][Vectors], const float* const (&x)[Rows],
                         const float* weights, std::size_t inputs) {
  using Vec = typename S::Vec;
  EDGESER_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) {
    EDGESER_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = S::broadcast(0.0f);
  }
  for (std::size_t i = 0; i < inputs; ++i, weights += Vectors * S::lanes) {
    Vec w[Vectors];
    EDGESER_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) w[v] = S::load(weights + v * S::lanes);
    EDGESER_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
      const Vec value = S::broadcast(x[r][i]);
      EDGESER_UNROLL
      for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = S::fma(value, w[v], sum[r][v]);
    }
  }
}

// acc (Rows, Vectors * lanes) += x @ weights, run after run. acc lies in memory: a run needs all
// the registers. Returns the weights just after those it read.
template <class S, std::size_t Rows, std::size_t Vectors>
inline const float* multiply_add(float* acc, const float* const (&x)[Rows], const float* weights,
                                 std::size_t inputs) {
  const std::size_t runs = (inputs + longest_run - 1) / longest_run;
  for (std::size_t run = 0, start = 0; run < runs; ++run) {
    const std::size_t count = (inputs - start) / (runs - run);
    const float* from[Rows];
    for (std::size_t r = 0; r < Rows; ++r) from[r] = x[r] + start;
    typename S::Vec sum[Rows][Vectors];
    multiply_run<S>(sum, from, weights, count);
    EDGESER_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
      EDGESER_UNROLL
      for (std::size_t v = 0; v < Vectors; ++v) {
        float* const to = acc + (r * Vectors + v) * S::lanes;
        S::store(to, S::add(S::load(to), sum[r][v]));
      }
    }
    weights += count * Vectors * S::lanes;
    start += count;
  }
  return weights;
}

// Sets each of the rows of acc (Rows, width) to `bias`.
template <class S, std::size_t Rows>
inline void fill_rows(float* acc, const float* bias, std::size_t width) {
  for (std::size_t r = 0; r < Rows; ++r) std::memcpy(acc + r * width, bias, width * sizeof(float));
}

// Calls f(Size<vectors>, column, weights of the panel) for each panel of the matrix.
template <class S, class F>
inline void for_each_panel(const Matrix& m, F&& f) {
  const std::size_t total = m.padded / S::lanes;
  for (std::size_t first = 0; first < total; first += S::panel_vectors) {
    const std::size_t column = first * S::lanes;
    with_size<S, S::panel_vectors>(
        total - first, [&](auto vectors) { f(vectors, column, m.weights + m.inputs * column); });
  }
}

// Calls f(Size<rows>, first row) for blocks of at most S::block_rows rows.
template <class S, class F>
inline void for_each_block(std::size_t rows, F&& f) {
  for (std::size_t row = 0; row < rows; row += S::block_rows) {
    with_size<S, S::block_rows>(rows - row, [&](auto block) { f(block, row); });
  }
}

// y = x @ m + bias for `rows` rows. A run of a panel's inputs fits the L1 cache, and is used for
// all rows while it is there; until the last run, y holds the total so far. x and y rows lie
// `x_stride` and `y_stride` floats apart; y rows have room for m.padded values.
template <class S>
inline void multiply(const Matrix& m, const float* x, std::size_t x_stride, std::size_t rows,
                     float* y, std::size_t y_stride) {
  for_each_panel<S>(m, [&](auto vectors, std::size_t column, const float* weights) {
    constexpr std::size_t V = decltype(vectors)::value;
    for (std::size_t start = 0; start < m.inputs; start += run_inputs) {
      const std::size_t count = m.inputs - start < run_inputs ? m.inputs - start : run_inputs;
      for_each_block<S>(rows, [&](auto block, std::size_t row) {
        constexpr std::size_t R = decltype(block)::value;
        const float* inputs[R];
        for (std::size_t r = 0; r < R; ++r) inputs[r] = x + (row + r) * x_stride + start;
        typename S::Vec sum[R][V];
        multiply_run<S>(sum, inputs, weights, count);
        EDGESER_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
          float* const to = y + (row + r) * y_stride + column;
          const float* const total = start == 0 ? m.bias + column : to;
          EDGESER_UNROLL
          for (std::size_t v = 0; v < V; ++v) {
            S::store(to + v * S::lanes, S::add(S::load(total + v * S::lanes), sum[r][v]));
          }
        }
      });
      weights += count * V * S::lanes;
    }
  });
}

}  // namespace edgeser
