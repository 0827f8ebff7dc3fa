#pragma once

#include "simd/vec128.hpp"

namespace edgeser::simd {

struct NeonDotprodOnly;

// Advanced SIMD with byte dot products: Cortex-A55 and A75 or newer, including Jetson Orin.
struct NeonDotprod : Vec128<NeonDotprodOnly> {
  static constexpr const char* name = "neon_dotprod";
  using Narrow = NeonDotprod;

  static Ints dot(Ints sum, Inputs x, Weights w) { return vdotq_s32(sum, w, x); }
};

}  // namespace edgeser::simd
