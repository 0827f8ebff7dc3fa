#pragma once

#include "simd/level.hpp"

namespace edgeser {

// Defined in the kernels' own headers, and compiled in one file for each kernel and level: see
// compile/.
template <class S, Precision P>
TacnStep tacn_step;
template <class S, Precision P>
VqFuse vq_fuse;
template <class S, Precision P>
FrontEndRead front_end_read;
template <class S>
ResampleFilter resample_filter;
template <class S>
SpectrumRead read_spectrum;

namespace simd {

template <class S, Precision P>
MultiplyRows multiply_rows;

// The table of level S. A constant expression, because loading the library must not execute any
// instruction that the CPU may not have.
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
    {multiply_rows<S, Precision::float32>, multiply_rows<S, Precision::bfloat16>,
     multiply_rows<S, Precision::int8>},
};

}  // namespace simd
}  // namespace edgeser
