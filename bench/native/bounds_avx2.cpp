#include "bounds_level.hpp"
#include "simd/avx2.hpp"

namespace edgeser::bench {

extern const Bounds avx2_bounds;
constinit const Bounds avx2_bounds = bounds<simd::Avx2>;

}  // namespace edgeser::bench
