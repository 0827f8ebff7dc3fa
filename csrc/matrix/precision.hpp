#pragma once

#include <cstddef>
#include <cstdint>

namespace edgeser {

// How the weights of a matrix are kept. Inputs, sums and results are float32 in all three, and each
// has bits of its own that are the same at every SIMD level.
//
// float32   as they are.
// bfloat16  rounded to 8 bits of mantissa; a product is that of float32 with the rounded weights.
// int8      w = scale * q with one scale an output and q in -127..127. Each row of inputs is
//           quantised in the same way as it comes; sums of products of integers are exact.
enum class Precision { float32, bfloat16, int8 };

constexpr std::size_t precision_count = 3;

// "float32", "bfloat16" or "int8".
const char* precision_name(Precision precision) noexcept;

// The precision of that name. Throws Error for any other.
Precision find_precision(const char* name);

}  // namespace edgeser
