#pragma once

#include <cstddef>
#include <cstring>

#include "simd/vec512.hpp"

namespace edgeser::simd {

struct Avx512VnniOnly;

// AVX-512 with VNNI, the dot product of bytes.
struct Avx512Vnni : Vec512<Avx512VnniOnly> {
  static constexpr const char* name = "avx512_vnni";

  using Weights = __m512i;
  using Inputs = __m512i;

  static Weights load_weights(const std::int8_t* p) { return _mm512_loadu_si512(p); }
  static Inputs broadcast_inputs(const std::uint8_t* p) {
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    return _mm512_set1_epi32(four);
  }
  static Ints dot(Ints sum, Inputs x, Weights w) { return _mm512_dpbusd_epi32(sum, x, w); }
};

}  // namespace edgeser::simd
