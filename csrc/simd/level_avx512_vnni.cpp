#include "simd/avx512_vnni.hpp"
#include "simd/kernels.hpp"

namespace edgeser::simd {

extern const Level avx512_vnni_level;
constinit const Level avx512_vnni_level = kernels<Avx512Vnni>;

}  // namespace edgeser::simd
