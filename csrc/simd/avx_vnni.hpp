#pragma once

#include <cstddef>
#include <cstring>

#include "simd/compiler.hpp"
#include "simd/vec256.hpp"

namespace edgeser::simd {

struct AvxVnniOnly;

// AVX2 with FMA, and AVX-VNNI's dot product of bytes, for CPUs without AVX-512.
struct AvxVnni : Vec256<AvxVnniOnly> {
  static constexpr const char* name = "avx_vnni";
  using Narrow = AvxVnni;

  using Input = std::uint8_t;
  using Weights = __m256i;
  using Inputs = __m256i;
  static constexpr int byte_zero = 128;  // inputs are unsigned
  static constexpr std::size_t dot_inputs = 4;

  static Weights load_weights(const std::int8_t* p, std::size_t) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static Inputs broadcast_inputs(const Input* p) {
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static Ints dot(Ints sum, Inputs x, Weights w) {
    sum = _mm256_dpbusd_avx_epi32(sum, x, w);
    EDGESER_NOW(sum);
    return sum;
  }
  static void store_inputs(Input* p, Vec a) {
    const __m256i first_of_four =
        _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12,
                         -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_castps_si256(a), first_of_four);
    _mm_storel_epi64(
        reinterpret_cast<__m128i*>(p),
        _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)));
  }
};

}  // namespace edgeser::simd
