#pragma once

#include <cstddef>
#include <cstring>

#include "simd/compiler.hpp"
#include "simd/vec512.hpp"

namespace edgeser::simd {

struct Avx512Only;

// AVX-512 F/BW/VL/DQ. Include only where these flags are on: see level.hpp.
struct Avx512 : Vec512<Avx512Only> {
  static constexpr const char* name = "avx512";

  // 16 bits, as in Avx2.
  using Input = std::int16_t;
  using Weights = __m512i;
  using Inputs = __m512i;
  static constexpr int byte_zero = 0;
  static constexpr std::size_t dot_inputs = 2;

  static Weights load_weights(const std::int8_t* p, std::size_t part) {
    const __m512i bytes = _mm512_loadu_si512(p);
    return _mm512_srai_epi16(part ? bytes : _mm512_slli_epi16(bytes, 8), 8);
  }
  static Inputs broadcast_inputs(const Input* p) {
    std::int32_t two;
    std::memcpy(&two, p, sizeof two);
    return _mm512_set1_epi32(two);
  }
  static Ints dot(Ints sum, Inputs x, Weights w) {
    sum = _mm512_add_epi32(sum, _mm512_madd_epi16(x, w));
    EDGESER_NOW(sum);
    return sum;
  }
  static void store_inputs(Input* p, Vec a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtepi32_epi16(_mm512_castps_si512(a)));
  }
};

}  // namespace edgeser::simd
