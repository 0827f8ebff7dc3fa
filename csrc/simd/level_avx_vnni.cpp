#include "simd/avx_vnni.hpp"
#include "simd/kernels.hpp"

namespace edgeser::simd {

extern const Level avx_vnni_level;
constinit const Level avx_vnni_level = kernels<AvxVnni>;

}  // namespace edgeser::simd
