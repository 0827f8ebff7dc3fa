#include "bounds.hpp"

#include <cstring>

#include "error.hpp"

namespace edgeser::bench {

extern const Bounds avx512_bounds, avx2_bounds, neon_bounds, plain_bounds;

const Bounds& bounds_of(const Level& level) {
  for (const Bounds* bounds : {
#if defined(EDGESER_X86)
           &avx512_bounds, &avx2_bounds,
#elif defined(EDGESER_ARM64)
           &neon_bounds,
#endif
           &plain_bounds}) {
    if (std::strcmp(bounds->name, level.name) == 0) return *bounds;
  }
  throw Error(std::string("no bounds for the SIMD level ") + level.name);
}

}  // namespace edgeser::bench
