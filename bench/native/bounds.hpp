#pragma once

#include <cstddef>

#include "matrix/matrix.hpp"
#include "simd/level.hpp"

namespace edgeser::bench {

// What no kernel of a SIMD level can beat, and the kernel's matrix products with all else left out.
struct Bounds {
  const char* name;
  std::size_t flops;  // of one iteration of `fma`

  // Reads `count` floats once, forwards, with as many loads under way as the registers allow.
  float (*read)(const float* data, std::size_t count) noexcept;
  // Independent fused multiply-adds in registers: as many as the units can take.
  float (*fma)(std::size_t iterations) noexcept;
  // y = x @ m + bias for each of the matrices, one after another, as the kernels do it.
  using Products = void(const Matrix* matrices, std::size_t count, const float* x, std::size_t rows,
                        float* y) noexcept;
  Products* products[precision_count];  // by Precision
};

const Bounds& bounds_of(const Level& level);

}  // namespace edgeser::bench
