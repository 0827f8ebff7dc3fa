#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "matrix/matrix.hpp"
#include "simd/vec256.hpp"

namespace edgeser::simd {

// 512-bit vectors with F/BW/VL/DQ. `Level` keeps the copies of different levels apart: see
// level.hpp.
template <class Level>
struct Vec512 {
  static constexpr std::size_t lanes = 16;
  static constexpr std::size_t panel_vectors = 4;
  static constexpr std::size_t registers = 32;
  static constexpr std::size_t block_rows = 6;
  static constexpr std::size_t int_rows = 4;  // GCC keeps the sums of six in memory
  using Narrow = Vec256<Level>;               // for what fills half a vector

  using Vec = __m512;
  using Mask = __mmask16;

  static Mask first(std::size_t count) { return static_cast<Mask>((1u << count) - 1u); }

  static Vec broadcast(float x) { return _mm512_set1_ps(x); }
  static Vec iota() { return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
  static Vec load(const float* p) { return _mm512_loadu_ps(p); }
  static Vec load(const float* p, std::size_t count) {
    return _mm512_maskz_loadu_ps(first(count), p);
  }
  static void store(float* p, Vec a) { _mm512_storeu_ps(p, a); }
  static void store(float* p, Vec a, std::size_t count) {
    _mm512_mask_storeu_ps(p, first(count), a);
  }

  static Vec add(Vec a, Vec b) { return _mm512_add_ps(a, b); }
  static Vec sub(Vec a, Vec b) { return _mm512_sub_ps(a, b); }
  static Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
  static Vec div(Vec a, Vec b) { return _mm512_div_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
  static Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
  static Mask less(Vec a, Vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static Vec select(Mask m, Vec yes, Vec no) { return _mm512_mask_blend_ps(m, no, yes); }
  // The lower halves of a and b, or their upper ones, side by side.
  static Vec lower_halves(Vec a, Vec b) { return _mm512_shuffle_f32x4(a, b, 0x44); }
  static Vec upper_halves(Vec a, Vec b) { return _mm512_shuffle_f32x4(a, b, 0xee); }
  static Vec add_exponent(Vec a, Vec n) {
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(a), _mm512_slli_epi32(_mm512_castps_si512(n), 23)));
  }
  static Vec exponent(Vec a) { return _mm512_getexp_ps(a); }
  static Vec mantissa(Vec a) { return _mm512_getmant_ps(a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src); }

  static void load(const Pair* p, Vec& low, Vec& high) {
    const __m512i pairs = _mm512_loadu_si512(p);
    low = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    high = _mm512_castsi512_ps(
        _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000u))));
  }

  using Ints = __m512i;
  static Ints load_ints(const std::int32_t* p) { return _mm512_loadu_si512(p); }
  static Vec to_float(Ints a) { return _mm512_cvtepi32_ps(a); }
};

}  // namespace edgeser::simd
