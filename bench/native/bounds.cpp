#include "bounds.hpp"

#include <cstring>

#include "error.hpp"

namespace edgeser::bench {

extern const Bounds avx512_vnni_bounds, avx512_bounds, avx_vnni_bounds, avx2_bounds,
    neon_dotprod_bounds, neon_bounds, plain_bounds;

const Bounds& bounds_of(const Level& level) {
  for (const Bounds* bounds : {
#if defined(EDGESER_BOUNDS_AVX512_VNNI)
           &avx512_vnni_bounds,
#endif
#if defined(EDGESER_BOUNDS_AVX512)
           &avx512_bounds,
#endif
#if defined(EDGESER_BOUNDS_AVX_VNNI)
           &avx_vnni_bounds,
#endif
#if defined(EDGESER_BOUNDS_AVX2)
           &avx2_bounds,
#endif
#if defined(EDGESER_BOUNDS_NEON_DOTPROD)
           &neon_dotprod_bounds,
#endif
#if defined(EDGESER_BOUNDS_NEON)
           &neon_bounds,
#endif
           &plain_bounds}) {
    if (std::strcmp(bounds->name, level.name) == 0) return *bounds;
  }
  throw Error(std::string("no bounds for the SIMD level ") + level.name);
}

}  // namespace edgeser::bench
