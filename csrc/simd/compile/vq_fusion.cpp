// Lookup and fusion for one SIMD level.
#include "simd/compile/level.hpp"
#include "simd/level.hpp"
#include "vq_fusion/fuse.hpp"

namespace edgeser {

template VqFuse vq_fuse<S, Precision::float32>;
template VqFuse vq_fuse<S, Precision::bfloat16>;

}  // namespace edgeser
