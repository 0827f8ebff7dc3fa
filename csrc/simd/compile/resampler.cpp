// The resampler's filter for one SIMD level.
#include "resampler/filter.hpp"
#include "simd/compile/level.hpp"
#include "simd/level.hpp"

namespace edgeser {

template ResampleFilter resample_filter<S>;

}  // namespace edgeser
