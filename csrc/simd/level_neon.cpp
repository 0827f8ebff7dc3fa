#include "simd/kernels.hpp"
#include "simd/neon.hpp"

namespace edgeser::simd {

extern const Level neon_level;
constinit const Level neon_level = kernels<Neon>;

}  // namespace edgeser::simd
