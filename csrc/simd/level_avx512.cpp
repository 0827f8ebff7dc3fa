#include "simd/avx512.hpp"
#include "simd/kernels.hpp"

namespace edgeser::simd {

extern const Level avx512_level;
constinit const Level avx512_level = kernels<Avx512>;

}  // namespace edgeser::simd
