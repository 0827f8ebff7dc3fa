#pragma once

#include <cstddef>

#include "simd/vec256.hpp"

namespace edgeser::simd {

struct Avx2Only;

// AVX2 with FMA. Include only where these flags are on: see level.hpp.
struct Avx2 : Vec256<Avx2Only> {
  static constexpr const char* name = "avx2";
  static constexpr std::size_t panel_vectors = 4;
  static constexpr std::size_t block_rows = 3;  // 12 accumulators of 16 registers
  using Narrow = Avx2;
};

}  // namespace edgeser::simd
