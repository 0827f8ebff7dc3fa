#pragma once

#include <cstddef>
#include <cstring>

#include "simd/vec512.hpp"

namespace edgeser::simd {

struct Avx512Only;

// AVX-512 F/BW/VL/DQ. Include only where these flags are on: see level.hpp.
struct Avx512 : Vec512<Avx512Only> {
  static constexpr const char* name = "avx512";

  // Bytes widened to 16 bits, as in Avx2.
  struct Weights {
    __m512i even, odd;
  };
  using Inputs = Weights;

  static Weights load_weights(const std::int8_t* p) {
    const __m512i bytes = _mm512_loadu_si512(p);
    return {_mm512_srai_epi16(_mm512_slli_epi16(bytes, 8), 8), _mm512_srai_epi16(bytes, 8)};
  }
  static Inputs broadcast_inputs(const std::uint8_t* p) {
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    const __m512i bytes = _mm512_set1_epi32(four);
    return {_mm512_and_si512(bytes, _mm512_set1_epi16(255)), _mm512_srli_epi16(bytes, 8)};
  }
  static Ints dot(Ints sum, const Inputs& x, const Weights& w) {
    return _mm512_add_epi32(
        sum, _mm512_add_epi32(_mm512_madd_epi16(x.even, w.even), _mm512_madd_epi16(x.odd, w.odd)));
  }
  static Vec exponent(Vec a) { return _mm512_getexp_ps(a); }
  static Vec mantissa(Vec a) { return _mm512_getmant_ps(a, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src); }
};

}  // namespace edgeser::simd
