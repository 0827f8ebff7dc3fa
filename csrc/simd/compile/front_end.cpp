// The front end for one SIMD level.
#include "front_end/read.hpp"
#include "simd/compile/level.hpp"
#include "simd/level.hpp"

namespace edgeser {

template FrontEndRead front_end_read<S, Precision::float32>;
template FrontEndRead front_end_read<S, Precision::bfloat16>;
template FrontEndRead front_end_read<S, Precision::int8>;
template SpectrumRead read_spectrum<S>;

}  // namespace edgeser
