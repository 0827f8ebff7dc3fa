#pragma once

#include "bounds.hpp"
#include "matrix/multiply.hpp"

namespace edgeser::bench {

template <class S>
float read_once(const float* data, std::size_t count) noexcept {
  constexpr std::size_t sums = 8;
  typename S::Vec sum[sums];
  EDGESER_UNROLL
  for (std::size_t s = 0; s < sums; ++s) sum[s] = S::broadcast(0.0f);
  for (std::size_t at = 0; at < count; at += sums * S::lanes) {
    EDGESER_UNROLL
    for (std::size_t s = 0; s < sums; ++s)
      sum[s] = S::add(sum[s], S::load(data + at + s * S::lanes));
  }
  EDGESER_UNROLL
  for (std::size_t s = 1; s < sums; ++s) sum[0] = S::add(sum[0], sum[s]);
  float lane[S::lanes];
  S::store(lane, sum[0]);
  return lane[0];
}

template <class S>
inline constexpr std::size_t fma_chains =
    S::block_rows * tile_vectors<S, S::block_rows, S::panel_vectors>();

template <class S>
float fma_only(std::size_t iterations) noexcept {
  typename S::Vec sum[fma_chains<S>];
  EDGESER_UNROLL
  for (std::size_t s = 0; s < fma_chains<S>; ++s) sum[s] = S::broadcast(static_cast<float>(s));
  const typename S::Vec factor = S::broadcast(0.9f), addend = S::broadcast(1.0f);
  for (std::size_t i = 0; i < iterations; ++i) {
    EDGESER_UNROLL
    for (std::size_t s = 0; s < fma_chains<S>; ++s) sum[s] = S::fma(sum[s], factor, addend);
  }
  EDGESER_UNROLL
  for (std::size_t s = 1; s < fma_chains<S>; ++s) sum[0] = S::add(sum[0], sum[s]);
  float lane[S::lanes];
  S::store(lane, sum[0]);
  return lane[0];
}

template <class S, Precision P>
void products_only(const Matrix* matrices, std::size_t count, const float* x, std::size_t rows,
                   float* y) noexcept {
  for (std::size_t n = 0; n < count; ++n) {
    const Matrix& m = matrices[n];
    multiply<S, P>(m, x, m.inputs, rows, y, m.padded);
  }
}

template <class S>
inline constexpr Bounds bounds = {
    S::name,
    2 * fma_chains<S> * S::lanes,
    read_once<S>,
    fma_only<S>,
    {products_only<S, Precision::float32>, products_only<S, Precision::bfloat16>,
     products_only<S, Precision::int8>},
};

}  // namespace edgeser::bench
