#include "bounds_level.hpp"
#include "simd/neon.hpp"

namespace edgeser::bench {

extern const Bounds neon_bounds;
constinit const Bounds neon_bounds = bounds<simd::Neon>;

}  // namespace edgeser::bench
