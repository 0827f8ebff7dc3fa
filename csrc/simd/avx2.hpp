#pragma once

#include <cstddef>
#include <cstring>

#include "simd/compiler.hpp"
#include "simd/vec256.hpp"

namespace edgeser::simd {

struct Avx2Only;

// AVX2 with FMA. Include only where these flags are on: see level.hpp.
struct Avx2 : Vec256<Avx2Only> {
  static constexpr const char* name = "avx2";
  using Narrow = Avx2;

  // Inputs and weights are widened to 16 bits, since the byte product vpmaddubsw would saturate.
  using Input = std::int16_t;
  using Weights = __m256i;
  using Inputs = __m256i;
  static constexpr int byte_zero = 0;
  static constexpr std::size_t dot_inputs = 2;

  // Inputs 0 and 1 of each quad are in the even bytes, 2 and 3 in the odd ones.
  static Weights load_weights(const std::int8_t* p, std::size_t part) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm256_srai_epi16(part ? bytes : _mm256_slli_epi16(bytes, 8), 8);
  }
  static Inputs broadcast_inputs(const Input* p) {
    std::int32_t two;
    std::memcpy(&two, p, sizeof two);
    return _mm256_set1_epi32(two);
  }
  static Ints dot(Ints sum, Inputs x, Weights w) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, w));
    EDGESER_NOW(sum);
    return sum;
  }
  static void store_inputs(Input* p, Vec a) {
    const __m256i first_of_two =
        _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 4, 5, 8, 9,
                         12, 13, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i halves = _mm256_shuffle_epi8(_mm256_castps_si256(a), first_of_two);
    _mm_storeu_si128(
        reinterpret_cast<__m128i*>(p),
        _mm_unpacklo_epi64(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1)));
  }
};

}  // namespace edgeser::simd
