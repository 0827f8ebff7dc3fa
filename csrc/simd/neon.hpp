#pragma once

#include "simd/vec128.hpp"

namespace edgeser::simd {

struct NeonOnly;

// Advanced SIMD as every 64-bit ARM has it.
struct Neon : Vec128<NeonOnly> {
  static constexpr const char* name = "neon";
  using Narrow = Neon;

  static Ints dot(Ints sum, Inputs x, Weights w) {
    const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(w));
    const int16x8_t high = vmull_high_s8(x, w);
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
  }
  static Vec exponent(Vec a) {
    const uint32x4_t biased = vshrq_n_u32(vreinterpretq_u32_f32(a), 23);
    return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(biased), vdupq_n_s32(127)));
  }
  static Vec mantissa(Vec a) {
    const uint32x4_t fraction = vandq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(0x007fffffu));
    return vreinterpretq_f32_u32(vorrq_u32(fraction, vdupq_n_u32(0x3f800000u)));
  }
};

}  // namespace edgeser::simd
