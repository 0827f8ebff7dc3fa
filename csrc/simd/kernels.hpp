#pragma once

#include "front_end/read.hpp"
#include "matrix/multiply.hpp"
#include "resampler/filter.hpp"
#include "simd/level.hpp"
#include "tacn/step.hpp"
#include "vq_fusion/fuse.hpp"

namespace edgeser::simd {

template <class S>
void multiply_rows(const Matrix& m, const float* x, std::size_t rows, float* y) noexcept {
  multiply<S>(m, x, m.inputs, rows, y, m.padded);
}

// Everything compiled for the level S. A constant expression: loading the library must not execute
// any instruction of a level that the CPU may not have.
template <class S>
inline constexpr Level kernels = {
    S::name,
    S::lanes,
    S::panel_vectors,
    S::byte_zero,
    S::dot_inputs,
    {tacn_step<S, Precision::float32>, tacn_step<S, Precision::bfloat16>,
     tacn_step<S, Precision::int8>},
    {vq_fuse<S, Precision::float32>, vq_fuse<S, Precision::bfloat16>,
     vq_fuse<S, Precision::bfloat16>},
    resample_filter<S>,
    {front_end_read<S, Precision::float32>, front_end_read<S, Precision::bfloat16>,
     front_end_read<S, Precision::int8>},
    read_spectrum<S>,
    multiply_rows<S>,
};

}  // namespace edgeser::simd
