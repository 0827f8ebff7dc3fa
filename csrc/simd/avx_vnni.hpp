#pragma once

#include <cstddef>
#include <cstring>

#include "simd/vec256.hpp"

namespace edgeser::simd {

struct AvxVnniOnly;

// AVX2 with FMA, and AVX-VNNI's dot product of bytes, for CPUs without AVX-512.
struct AvxVnni : Vec256<AvxVnniOnly> {
  static constexpr const char* name = "avx_vnni";
  static constexpr std::size_t panel_vectors = 4;
  static constexpr std::size_t block_rows = 3;  // 12 accumulators of 16 registers
  using Narrow = AvxVnni;

  using Weights = __m256i;
  using Inputs = __m256i;

  static Weights load_weights(const std::int8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static Inputs broadcast_inputs(const std::uint8_t* p) {
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static Ints dot(Ints sum, Inputs x, Weights w) { return _mm256_dpbusd_avx_epi32(sum, x, w); }
};

}  // namespace edgeser::simd
