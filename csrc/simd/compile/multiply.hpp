#pragma once

#include "matrix/multiply.hpp"
#include "simd/level.hpp"

namespace edgeser::simd {

template <class S, Precision P>
void multiply_rows(const Matrix& m, const float* x, std::size_t rows, float* y) noexcept {
  multiply<S, P>(m, x, m.inputs, rows, y, m.padded);
}

}  // namespace edgeser::simd

// Instantiates the product that prepares weights and converts states for the level S.
#define EDGESER_COMPILE(S)                                           \
  template MultiplyRows simd::multiply_rows<S, Precision::float32>;  \
  template MultiplyRows simd::multiply_rows<S, Precision::bfloat16>; \
  template MultiplyRows simd::multiply_rows<S, Precision::int8>;
