// The product that prepares weights and converts states for one SIMD level.
#include "matrix/multiply.hpp"
#include "simd/compile/level.hpp"
#include "simd/level.hpp"

namespace edgeser::simd {

template <class S, Precision P>
void multiply_rows(const Matrix& m, const float* x, std::size_t rows, float* y) noexcept {
  multiply<S, P>(m, x, m.inputs, rows, y, m.padded);
}

}  // namespace edgeser::simd

namespace edgeser {

template MultiplyRows simd::multiply_rows<S, Precision::float32>;
template MultiplyRows simd::multiply_rows<S, Precision::bfloat16>;
template MultiplyRows simd::multiply_rows<S, Precision::int8>;

}  // namespace edgeser
