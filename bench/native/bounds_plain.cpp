#include "bounds_level.hpp"
#include "simd/plain.hpp"

namespace edgeser::bench {

extern const Bounds plain_bounds;
constinit const Bounds plain_bounds = bounds<simd::Plain>;

}  // namespace edgeser::bench
