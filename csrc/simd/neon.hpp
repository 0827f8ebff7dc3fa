#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstring>

namespace edgeser::simd {

// AArch64 Advanced SIMD, which every 64-bit ARM has.
struct Neon {
  static constexpr const char* name = "neon";
  static constexpr std::size_t lanes = 4;
  static constexpr std::size_t panel_vectors = 4;
  static constexpr std::size_t block_rows = 6;  // 24 accumulators of 32 registers
  using Narrow = Neon;

  using Vec = float32x4_t;
  using Mask = uint32x4_t;

  static Vec broadcast(float x) { return vdupq_n_f32(x); }
  static Vec iota() {
    const float lane[lanes] = {0, 1, 2, 3};
    return vld1q_f32(lane);
  }
  static Vec load(const float* p) { return vld1q_f32(p); }
  static Vec load(const float* p, std::size_t count) {
    float lane[lanes] = {};
    std::memcpy(lane, p, count * sizeof(float));
    return vld1q_f32(lane);
  }
  static void store(float* p, Vec a) { vst1q_f32(p, a); }
  static void store(float* p, Vec a, std::size_t count) {
    float lane[lanes];
    vst1q_f32(lane, a);
    std::memcpy(p, lane, count * sizeof(float));
  }

  static Vec add(Vec a, Vec b) { return vaddq_f32(a, b); }
  static Vec sub(Vec a, Vec b) { return vsubq_f32(a, b); }
  static Vec mul(Vec a, Vec b) { return vmulq_f32(a, b); }
  static Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
  static Vec max(Vec a, Vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static Mask less(Vec a, Vec b) { return vcltq_f32(a, b); }
  static Vec select(Mask m, Vec yes, Vec no) { return vbslq_f32(m, yes, no); }
  static Vec add_exponent(Vec a, Vec n) {
    return vreinterpretq_f32_u32(
        vaddq_u32(vreinterpretq_u32_f32(a), vshlq_n_u32(vreinterpretq_u32_f32(n), 23)));
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
