#include "bounds_level.hpp"
#include "simd/avx512_vnni.hpp"

namespace edgeser::bench {

extern const Bounds avx512_vnni_bounds;
constinit const Bounds avx512_vnni_bounds = bounds<simd::Avx512Vnni>;

}  // namespace edgeser::bench
