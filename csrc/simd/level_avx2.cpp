#include "simd/avx2.hpp"
#include "simd/kernels.hpp"

namespace edgeser::simd {

extern const Level avx2_level;
constinit const Level avx2_level = kernels<Avx2>;

}  // namespace edgeser::simd
