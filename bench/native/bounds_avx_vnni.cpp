#include "bounds_level.hpp"
#include "simd/avx_vnni.hpp"

namespace edgeser::bench {

extern const Bounds avx_vnni_bounds;
constinit const Bounds avx_vnni_bounds = bounds<simd::AvxVnni>;

}  // namespace edgeser::bench
