#pragma once

#include <cstddef>
#include <cstring>

#include "simd/vec256.hpp"

namespace edgeser::simd {

struct Avx2Only;

// AVX2 with FMA. Include only where these flags are on: see level.hpp.
struct Avx2 : Vec256<Avx2Only> {
  static constexpr const char* name = "avx2";
  static constexpr std::size_t panel_vectors = 4;
  static constexpr std::size_t block_rows = 3;  // 12 accumulators of 16 registers
  using Narrow = Avx2;

  // Bytes widened to 16 bits: vpmaddubsw would saturate.
  struct Weights {
    __m256i even, odd;
  };
  using Inputs = Weights;

  static Weights load_weights(const std::int8_t* p) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
  }
  static Inputs broadcast_inputs(const std::uint8_t* p) {
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    const __m256i bytes = _mm256_set1_epi32(four);
    return {_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_srli_epi16(bytes, 8)};
  }
  static Ints dot(Ints sum, const Inputs& x, const Weights& w) {
    return _mm256_add_epi32(
        sum, _mm256_add_epi32(_mm256_madd_epi16(x.even, w.even), _mm256_madd_epi16(x.odd, w.odd)));
  }
};

}  // namespace edgeser::simd
