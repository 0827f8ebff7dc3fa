#pragma once

#include <cstddef>
#include <cstring>

#include "matrix/int8.hpp"
#include "matrix/matrix.hpp"
#include "matrix/panels.hpp"
#include "simd/compiler.hpp"

namespace edgeser {

// Inputs summed in one go before they join the total: a sum of sums loses less to rounding than one
// long sum. Runs are even, so that none is too short to be worth its two trips to memory.
constexpr std::size_t run_inputs = 64;
constexpr std::size_t longest_run = 80;

// One input's row of a panel, widened.
template <class S, std::size_t Vectors>
inline void load_row(typename S::Vec (&w)[Vectors], const float* weights) {
  EDGESER_UNROLL
  for (std::size_t v = 0; v < Vectors; ++v) w[v] = S::load(weights + v * S::lanes);
}
template <class S, std::size_t Vectors>
inline void load_row(typename S::Vec (&w)[Vectors], const Pair* weights) {
  typename S::Vec partner;
  EDGESER_UNROLL
  for (std::size_t v = 0; v < Vectors; v += 2) {
    S::load(weights + v / 2 * S::lanes, w[v], v + 1 < Vectors ? w[v + 1] : partner);
  }
}

// sum[r][v] += sum_i x[r][i] * weights[i][v]: a fused multiply-add after another for ascending i.
// Every output lane has its own sum, so neither the vector width nor the number of rows computed
// together can change a bit of the result.
template <class S, std::size_t Rows, std::size_t Vectors, class Weight>
inline void continue_run(typename S::Vec (&sum)[Rows][Vectors], const float* const (&x)[Rows],
                         const Weight* weights, std::size_t inputs) {
  using Vec = typename S::Vec;
  for (std::size_t i = 0; i < inputs; ++i, weights += row_size<S, Weight>(Vectors)) {
    Vec w[Vectors];
    load_row<S>(w, weights);
    EDGESER_UNROLL
    for (std::size_t r = 0; r < Rows; ++r) {
      const Vec value = S::broadcast(x[r][i]);
      EDGESER_UNROLL
      for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = S::fma(value, w[v], sum[r][v]);
    }
  }
}

template <class S, std::size_t Rows, std::size_t Vectors>
inline void begin_run(typename S::Vec (&sum)[Rows][Vectors]) {
  EDGESER_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) {
    EDGESER_UNROLL
    for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = S::broadcast(0.0f);
  }
}

// One whole run, from zero.
template <class S, std::size_t Rows, std::size_t Vectors, class Weight>
inline void multiply_run(typename S::Vec (&sum)[Rows][Vectors], const float* const (&x)[Rows],
                         const Weight* weights, std::size_t inputs) {
  begin_run<S>(sum);
  continue_run<S>(sum, x, weights, inputs);
}

// acc (Rows, Vectors * lanes) += x @ weights, run after run. acc lies in memory: a run needs all
// the registers. Returns the weights just after those it read.
template <class S, std::size_t Rows, std::size_t Vectors, class Weight>
inline const Weight* multiply_add(float* acc, const float* const (&x)[Rows], const Weight* weights,
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
    weights += count * row_size<S, Weight>(Vectors);
    start += count;
  }
  return weights;
}

// Sets each of the rows of acc (Rows, width) to `bias`.
template <class S, std::size_t Rows>
inline void fill_rows(float* acc, const float* bias, std::size_t width) {
  for (std::size_t r = 0; r < Rows; ++r) std::memcpy(acc + r * width, bias, width * sizeof(float));
}

// multiply() in the precisions whose weights become float32. A run of a panel's inputs fits the L1
// cache, and is used for all rows while it is there; until the last run, y holds the total so far.
template <class S, class Weight>
inline void multiply_floats(const Matrix& m, const float* x, std::size_t x_stride, std::size_t rows,
                            float* y, std::size_t y_stride) {
  for_each_panel<S, Weight>(m, [&](auto vectors, std::size_t column, const Weight* weights) {
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
      weights += count * row_size<S, Weight>(V);
    }
  });
}

// y = x @ m + bias for `rows` rows, m being packed in precision P. x and y rows lie `x_stride` and
// `y_stride` floats apart; y rows have room for m.padded values.
template <class S, Precision P = Precision::float32>
inline void multiply(const Matrix& m, const float* x, std::size_t x_stride, std::size_t rows,
                     float* y, std::size_t y_stride) {
  if constexpr (P == Precision::int8) {
    multiply_int8<S>(m, x, x_stride, rows, y, y_stride);
  } else if constexpr (P == Precision::bfloat16) {
    multiply_floats<S, Pair>(m, x, x_stride, rows, y, y_stride);
  } else {
    multiply_floats<S, float>(m, x, x_stride, rows, y, y_stride);
  }
}

}  // namespace edgeser
