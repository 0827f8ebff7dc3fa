#include "simd/kernels.hpp"
#include "simd/neon_dotprod.hpp"

namespace edgeser::simd {

extern const Level neon_dotprod_level;
constinit const Level neon_dotprod_level = kernels<NeonDotprod>;

}  // namespace edgeser::simd
