// The TACN's step for one SIMD level.
#include "simd/compile/level.hpp"
#include "simd/level.hpp"
#include "tacn/step.hpp"

namespace edgeser {

template TacnStep tacn_step<S, Precision::float32>;
template TacnStep tacn_step<S, Precision::bfloat16>;
template TacnStep tacn_step<S, Precision::int8>;

}  // namespace edgeser
