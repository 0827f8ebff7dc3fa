#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "matrix/int8.hpp"
#include "tacn/plan.hpp"

namespace edgeser {

// A slot of Rings::int8: the row's scale, then its values from -127 to 127, the same for all SIMD
// levels.

template <class S>
inline void put_int8(std::byte* slot, const typename S::Input* row, float scale,
                     std::size_t width) {
  std::memcpy(slot, &scale, sizeof scale);
  auto* const to = reinterpret_cast<std::int8_t*>(slot + sizeof scale);
  for (std::size_t i = 0; i < width; ++i) to[i] = static_cast<std::int8_t>(row[i] - S::byte_zero);
}

// Writes a whole number of vectors, like quantise_row; returns the scale.
template <class S>
inline float get_int8(const std::byte* slot, std::size_t width, typename S::Input* row) {
  float scale;
  std::memcpy(&scale, slot, sizeof scale);
  const auto* const from = reinterpret_cast<const std::int8_t*>(slot + sizeof scale);
  constexpr int zero = S::byte_zero;
  for (std::size_t i = 0; i < width; ++i) row[i] = static_cast<typename S::Input>(from[i] + zero);
  for (std::size_t i = width; i % S::lanes != 0; ++i) row[i] = static_cast<typename S::Input>(zero);
  return scale;
}

}  // namespace edgeser
