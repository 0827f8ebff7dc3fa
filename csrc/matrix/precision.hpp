#pragma once

#include <cstddef>
#include <cstdint>

namespace edgeser {

// How weights are stored. Inputs, sums and results are float32 in all three. Results differ between
// precisions, but not between SIMD levels.
//
// float32   unchanged.
// bfloat16  rounded to 8 bits of mantissa; products are float32 products of the rounded weights.
// int8      w = scale * q with one scale per output and q in -127..127. Each row of inputs is
//           quantised in the same way at run time; sums of integer products are exact.
enum class Precision { float32, bfloat16, int8 };

constexpr std::size_t precision_count = 3;

// "float32", "bfloat16" or "int8".
const char* precision_name(Precision precision) noexcept;

// The precision of that name. Throws Error for any other.
Precision find_precision(const char* name);

}  // namespace edgeser
