#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "matrix/matrix.hpp"

namespace edgeser::simd {

// AArch64 Advanced SIMD. `Level` keeps the copies of different levels apart: see level.hpp.
template <class Level>
struct Vec128 {
  static constexpr std::size_t lanes = 4;
  static constexpr std::size_t panel_vectors = 4;
  static constexpr std::size_t registers = 32;
  static constexpr std::size_t block_rows = 6;
  static constexpr std::size_t int_rows = 4;  // GCC keeps the sums of six in memory

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

  static void load(const Pair* p, Vec& low, Vec& high) {
    const uint32x4_t pairs = vld1q_u32(reinterpret_cast<const std::uint32_t*>(p));
    low = vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16));
    high = vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000u)));
  }

  using Ints = int32x4_t;
  using Input = std::uint8_t;
  using Weights = int8x16_t;
  using Inputs = int8x16_t;
  static constexpr int byte_zero = 0;
  static constexpr std::size_t dot_inputs = 4;

  static Ints load_ints(const std::int32_t* p) { return vld1q_s32(p); }
  static Vec to_float(Ints a) { return vcvtq_f32_s32(a); }
  static void store_inputs(Input* p, Vec a) {
    const uint16x4_t halves = vmovn_u32(vreinterpretq_u32_f32(a));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(halves, halves));
    vst1_lane_u32(reinterpret_cast<std::uint32_t*>(p), vreinterpret_u32_u8(bytes), 0);
  }
  static Weights load_weights(const std::int8_t* p, std::size_t) { return vld1q_s8(p); }
  static Inputs broadcast_inputs(const Input* p) {
    return vreinterpretq_s8_u32(vld1q_dup_u32(reinterpret_cast<const std::uint32_t*>(p)));
  }
};

}  // namespace edgeser::simd
