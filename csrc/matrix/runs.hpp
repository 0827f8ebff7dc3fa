#pragma once

#include <cstddef>
#include <cstring>

#include "matrix/matrix.hpp"
#include "matrix/panels.hpp"
#include "simd/compiler.hpp"

namespace edgeser {

// Number of inputs that are summed before they are added to the total: a sum of partial sums has
// less rounding error than one long sum. Runs have equal lengths, so that none is too short to be
// worth its memory accesses.
constexpr std::size_t longest_run = 80;

template <class S>
inline std::size_t run_count(std::size_t inputs) {
  return (inputs + longest_run - 1) / longest_run;
}

struct Run {
  std::size_t start, count;
};

// Length of a run; later ones may be longer by one.
template <class S>
inline Run run_at(std::size_t inputs, std::size_t run) {
  const std::size_t runs = run_count<S>(inputs), shorter = runs - inputs % runs;
  const std::size_t longer_before = run > shorter ? run - shorter : 0;
  return {run * (inputs / runs) + longer_before, inputs / runs + (run >= shorter ? 1 : 0)};
}

// One input's row of a panel, widened to float32.
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

// sum[r][v] += sum_i x[r][i] * weights[i][v], as fused multiply-adds for ascending i. Every output
// lane has its own sum, so neither the vector width nor the number of rows changes the bits. Rows
// of weights are `stride` apart.
template <class S, std::size_t Rows, std::size_t Vectors, class Weight>
inline void continue_run(typename S::Vec (&sum)[Rows][Vectors], const float* const (&x)[Rows],
                         const Weight* weights, std::size_t stride, std::size_t inputs) {
  using Vec = typename S::Vec;
  for (std::size_t i = 0; i < inputs; ++i, weights += stride) {
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

// One whole run, starting from zero.
template <class S, std::size_t Rows, std::size_t Vectors, class Weight>
inline void multiply_run(typename S::Vec (&sum)[Rows][Vectors], const float* const (&x)[Rows],
                         const Weight* weights, std::size_t stride, std::size_t inputs) {
  begin_run<S>(sum);
  continue_run<S>(sum, x, weights, stride, inputs);
}

// to = total + sum
template <class S, std::size_t Vectors>
inline void add_to_total(const float* total, const typename S::Vec (&sum)[Vectors], float* to) {
  EDGESER_UNROLL
  for (std::size_t v = 0; v < Vectors; ++v) {
    S::store(to + v * S::lanes, S::add(S::load(total + v * S::lanes), sum[v]));
  }
}

// acc (Rows, Vectors * lanes) += x @ weights, for the first `runs` runs. acc is in memory, since a
// run needs all registers. Returns the address after the weights that it read.
template <class S, std::size_t Rows, std::size_t Vectors, class Weight>
inline const Weight* multiply_add(float* acc, const float* const (&x)[Rows], const Weight* weights,
                                  std::size_t inputs, std::size_t runs) {
  constexpr std::size_t stride = row_size<S, Weight>(Vectors);
  for (std::size_t run = 0; run < runs; ++run) {
    const auto [start, count] = run_at<S>(inputs, run);
    const float* from[Rows];
    for (std::size_t r = 0; r < Rows; ++r) from[r] = x[r] + start;
    for_each_tile<S, Rows, Vectors>([&, n = count](auto width, auto first) {
      typename S::Vec sum[Rows][decltype(width)::value];
      multiply_run<S>(sum, from, weights + row_size<S, Weight>(first.value), stride, n);
      EDGESER_UNROLL
      for (std::size_t r = 0; r < Rows; ++r) {
        float* const total = acc + (r * Vectors + first.value) * S::lanes;
        add_to_total<S>(total, sum[r], total);
      }
    });
    weights += count * stride;
  }
  return weights;
}

// Sets each of the rows of acc (Rows, width) to `bias`.
template <class S, std::size_t Rows>
inline void fill_rows(float* acc, const float* bias, std::size_t width) {
  for (std::size_t r = 0; r < Rows; ++r) std::memcpy(acc + r * width, bias, width * sizeof(float));
}

}  // namespace edgeser
