#pragma once

#include <cstddef>
#include <cstring>

#include "simd/vec512.hpp"

namespace edgeser::simd {

struct Avx512VnniOnly;

// AVX-512 with VNNI, the dot product of bytes.
struct Avx512Vnni : Vec512<Avx512VnniOnly> {
  static constexpr const char* name = "avx512_vnni";

  using Input = std::uint8_t;
  using Weights = __m512i;
  using Inputs = __m512i;
  static constexpr int byte_zero = 128;  // inputs are unsigned
  static constexpr std::size_t dot_inputs = 4;

  static Weights load_weights(const std::int8_t* p, std::size_t) { return _mm512_loadu_si512(p); }
  static Inputs broadcast_inputs(const Input* p) {
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Ints dot(Ints sum, Inputs x, Weights w) { return _mm512_dpbusd_epi32(sum, x, w); }
  static void store_inputs(Input* p, Vec a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_castps_si512(a)));
  }
};

}  // namespace edgeser::simd
