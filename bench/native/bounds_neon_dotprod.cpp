#include "bounds_level.hpp"
#include "simd/neon_dotprod.hpp"

namespace edgeser::bench {

extern const Bounds neon_dotprod_bounds;
constinit const Bounds neon_dotprod_bounds = bounds<simd::NeonDotprod>;

}  // namespace edgeser::bench
