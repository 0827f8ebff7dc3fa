#pragma once

#include <cstddef>

#include "matrix/matrix.hpp"
#include "simd/unroll.hpp"

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
// long sum.
constexpr std::size_t run_inputs = 64;

// acc[r][v] += sum_i x[r][i] * weights[i][v]. A run is one fused multiply-add after another for
// ascending i, from zero; runs are added to acc in order. Every output lane has its own sums, so
// neither the vector width nor the number of rows computed together can change a bit of the result.
// Returns the weights just after those it read.
template <class S, std::size_t Rows, std::size_t Vectors>
inline const float* multiply_add(typename S::Vec (&acc)[Rows][Vectors],
                                 const float* const (&x)[Rows], const float* weights,
                                 std::size_t inputs) {
  using Vec = typename S::Vec;
  for (std::size_t start = 0; start < inputs; start += run_inputs) {
    const std::size_t end = inputs - start < run_inputs ? inputs : start + run_inputs;
    Vec sum[Rows][Vectors];
    EDGESER_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
      EDGESER_UNROLL
      for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = S::broadcast(0.0f);
    }
    for (std::size_t i = start; i < end; ++i, weights += Vectors * S::lanes) {
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
    EDGESER_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
      EDGESER_UNROLL
      for (std::size_t v = 0; v < Vectors; ++v) acc[r][v] = S::add(acc[r][v], sum[r][v]);
    }
  }
  return weights;
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

// y = x @ m + bias for `rows` rows. Each panel is used for all rows while it is in the L1 cache.
// x and y rows lie `x_stride` and `y_stride` floats apart; y rows have room for m.padded values.
template <class S>
inline void multiply(const Matrix& m, const float* x, std::size_t x_stride, std::size_t rows,
                     float* y, std::size_t y_stride) {
  for_each_panel<S>(m, [&](auto vectors, std::size_t column, const float* weights) {
    constexpr std::size_t V = decltype(vectors)::value;
    for_each_block<S>(rows, [&](auto block, std::size_t row) {
      constexpr std::size_t R = decltype(block)::value;
      const float* inputs[R];
      typename S::Vec acc[R][V];
      EDGESER_UNROLL
      for (std::size_t r = 0; r < R; ++r) {
        inputs[r] = x + (row + r) * x_stride;
        EDGESER_UNROLL
        for (std::size_t v = 0; v < V; ++v) acc[r][v] = S::load(m.bias + column + v * S::lanes);
      }
      multiply_add<S>(acc, inputs, weights, m.inputs);
      EDGESER_UNROLL
      for (std::size_t r = 0; r < R; ++r) {
        EDGESER_UNROLL
        for (std::size_t v = 0; v < V; ++v) {
          S::store(y + (row + r) * y_stride + column + v * S::lanes, acc[r][v]);
        }
      }
    });
  });
}

}  // namespace edgeser
