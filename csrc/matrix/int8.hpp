#pragma once

#include <cstddef>
#include <cstdint>

#include "matrix/matrix.hpp"
#include "matrix/panels.hpp"
#include "simd/compiler.hpp"

namespace edgeser {

// Quantises a row: to[i] = round(x[i] / scale) + S::byte_zero, where the returned scale maps the
// row's largest magnitude to 127. Writes a whole number of vectors, padded with zeros. A row of
// values below 2^-100 counts as zeros.
template <class S>
inline float quantise_row(const float* x, std::size_t inputs, typename S::Input* to) {
  using Vec = typename S::Vec;
  const std::size_t whole = inputs - inputs % S::lanes, rest = inputs % S::lanes;
  Vec peaks = S::broadcast(0.0f);
  const auto take = [&](Vec a) { peaks = S::max(S::max(a, S::sub(S::broadcast(0.0f), a)), peaks); };
  for (std::size_t i = 0; i < whole; i += S::lanes) take(S::load(x + i));
  if (rest) take(S::load(x + whole, rest));
  float lane[S::lanes];
  S::store(lane, peaks);
  float peak = 0x1p-100f;
  for (std::size_t i = 0; i < S::lanes; ++i) peak = lane[i] > peak ? lane[i] : peak;

  // Adding 1.5 * 2^23 rounds to the nearest integer, ties to even, and leaves it in the low bits.
  const Vec inverse = S::broadcast(127.0f / peak);
  const Vec magic = S::broadcast(12582912.0f + static_cast<float>(S::byte_zero));
  const auto put = [&](std::size_t i, Vec a) {
    S::store_inputs(to + i, S::add(S::mul(a, inverse), magic));
  };
  for (std::size_t i = 0; i < whole; i += S::lanes) put(i, S::load(x + i));
  if (rest) put(whole, S::load(x + whole, rest));
  return peak / 127.0f;
}

// sum[r][v] += x[r] @ weights, for as many inputs at a time as S::dot takes. Quads of weights are
// `stride` apart.
template <class S, std::size_t Rows, std::size_t Vectors>
inline void dot_rows(typename S::Ints (&sum)[Rows][Vectors],
                     const typename S::Input* const (&x)[Rows], const std::int8_t* weights,
                     std::size_t stride, std::size_t inputs) {
  for (std::size_t i = 0; i < inputs; i += quad, weights += stride) {
    EDGESER_UNROLL
    for (std::size_t part = 0; part < quad; part += S::dot_inputs) {
      typename S::Weights w[Vectors];
      EDGESER_UNROLL
      for (std::size_t v = 0; v < Vectors; ++v) {
        w[v] = S::load_weights(weights + v * quad * S::lanes, part);
      }
      EDGESER_UNROLL
      for (std::size_t r = 0; r < Rows; ++r) {
        const typename S::Inputs some = S::broadcast_inputs(x[r] + i + part);
        EDGESER_UNROLL
        for (std::size_t v = 0; v < Vectors; ++v) sum[r][v] = S::dot(sum[r][v], some, w[v]);
      }
    }
  }
}

// multiply() in int8, with rows that are quantised when needed: `supply(row, to)` writes a row as
// quantise_row does and returns its scale; it is called once for each row, in order. Sums of
// integer products are exact, so their order is free. Only the inputs are rounded, each row with
// its own scale: y = bias + sum * (scale of the row * scale of the output).
template <class S, class Supply, class Between>
inline void multiply_quantised(const Matrix& m, Supply&& supply, std::size_t rows, float* y,
                               std::size_t y_stride, Between&& between) {
  constexpr std::size_t most_rows = 64;
  alignas(64) typename S::Input quantised[int8_max_inputs];
  float scales[most_rows];
  const std::size_t stride = (m.inputs + S::lanes - 1) / S::lanes * S::lanes;
  std::size_t capacity = int8_max_inputs / stride;
  if (capacity > most_rows) capacity = most_rows;
  if (capacity > S::int_rows) capacity -= capacity % S::int_rows;

  for (std::size_t first = 0; first < rows; first += capacity) {
    const std::size_t count = rows - first < capacity ? rows - first : capacity;
    for (std::size_t r = 0; r < count; ++r) scales[r] = supply(first + r, quantised + r * stride);
    for_each_panel<S, std::int8_t>(
        m, [&](auto vectors, std::size_t column, const std::int8_t* weights) {
          constexpr std::size_t V = decltype(vectors)::value;
          for_each_block<S, S::int_rows>(count, [&](auto block, std::size_t row) {
            constexpr std::size_t R = decltype(block)::value;
            const typename S::Input* inputs[R];
            for (std::size_t r = 0; r < R; ++r) inputs[r] = quantised + (row + r) * stride;
            for_each_tile<S, R, V>([&](auto width, auto start) {
              constexpr std::size_t T = decltype(width)::value;
              const std::size_t at = column + start.value * S::lanes;
              typename S::Ints sum[R][T];
              EDGESER_UNROLL
              for (std::size_t r = 0; r < R; ++r) {
                EDGESER_UNROLL
                for (std::size_t v = 0; v < T; ++v) {
                  sum[r][v] = S::load_ints(m.starts + at + v * S::lanes);
                }
              }
              dot_rows<S>(sum, inputs, weights + row_size<S, std::int8_t>(start.value),
                          row_size<S, std::int8_t>(V), m.inputs);
              EDGESER_UNROLL
              for (std::size_t v = 0; v < T; ++v) {
                const std::size_t to = at + v * S::lanes;
                const typename S::Vec weight_scale = S::load(m.scales + to);
                EDGESER_UNROLL
                for (std::size_t r = 0; r < R; ++r) {
                  const typename S::Vec scale = S::mul(S::broadcast(scales[row + r]), weight_scale);
                  S::store(y + (first + row + r) * y_stride + to,
                           S::fma(S::to_float(sum[r][v]), scale, S::load(m.bias + to)));
                }
              }
            });
            between();
          });
        });
  }
}

// multiply() in int8.
template <class S, class Between>
inline void multiply_int8(const Matrix& m, const float* x, std::size_t x_stride, std::size_t rows,
                          float* y, std::size_t y_stride, Between&& between) {
  const auto supply = [&](std::size_t row, typename S::Input* to) {
    return quantise_row<S>(x + row * x_stride, m.inputs, to);
  };
  multiply_quantised<S>(m, supply, rows, y, y_stride, between);
}

}  // namespace edgeser
