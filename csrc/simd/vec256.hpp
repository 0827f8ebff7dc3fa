#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "matrix/matrix.hpp"

namespace edgeser::simd {

// 256-bit vectors with FMA. `Level` keeps the copies of different levels apart: see level.hpp.
template <class Level>
struct Vec256 {
  static constexpr std::size_t lanes = 8;
  static constexpr std::size_t registers = 16;
  static constexpr std::size_t panel_vectors = 4;
  static constexpr std::size_t block_rows = 6;  // of two vectors: see tile_vectors()
  static constexpr std::size_t int_rows = 6;

  using Vec = __m256;
  using Mask = __m256;

  static __m256i first(std::size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
  }

  static Vec broadcast(float x) { return _mm256_set1_ps(x); }
  static Vec iota() { return _mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7); }
  static Vec load(const float* p) { return _mm256_loadu_ps(p); }
  static Vec load(const float* p, std::size_t count) { return _mm256_maskload_ps(p, first(count)); }
  static void store(float* p, Vec a) { _mm256_storeu_ps(p, a); }
  static void store(float* p, Vec a, std::size_t count) { _mm256_maskstore_ps(p, first(count), a); }

  static Vec add(Vec a, Vec b) { return _mm256_add_ps(a, b); }
  static Vec sub(Vec a, Vec b) { return _mm256_sub_ps(a, b); }
  static Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
  static Vec div(Vec a, Vec b) { return _mm256_div_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
  static Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
  static Mask less(Vec a, Vec b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static Vec select(Mask m, Vec yes, Vec no) { return _mm256_blendv_ps(no, yes, m); }
  static Vec add_exponent(Vec a, Vec n) {
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_castps_si256(n), 23)));
  }
  static Vec exponent(Vec a) {
    const __m256i biased = _mm256_srli_epi32(_mm256_castps_si256(a), 23);
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(biased, _mm256_set1_epi32(127)));
  }
  static Vec mantissa(Vec a) {
    const __m256 fraction = _mm256_castsi256_ps(_mm256_set1_epi32(0x007fffff));
    return _mm256_or_ps(_mm256_and_ps(a, fraction), _mm256_set1_ps(1.0f));
  }

  static void load(const Pair* p, Vec& low, Vec& high) {
    const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    low = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
    high = _mm256_castsi256_ps(
        _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000u))));
  }

  using Ints = __m256i;
  static Ints load_ints(const std::int32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static Vec to_float(Ints a) { return _mm256_cvtepi32_ps(a); }
};

}  // namespace edgeser::simd
