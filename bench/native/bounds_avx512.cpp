#include "bounds_level.hpp"
#include "simd/avx512.hpp"

namespace edgeser::bench {

extern const Bounds avx512_bounds;
constinit const Bounds avx512_bounds = bounds<simd::Avx512>;

}  // namespace edgeser::bench
