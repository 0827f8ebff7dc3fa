#include "simd/kernels.hpp"
#include "simd/plain.hpp"

namespace edgeser::simd {

extern const Level plain_level;
constinit const Level plain_level = kernels<Plain>;

}  // namespace edgeser::simd
