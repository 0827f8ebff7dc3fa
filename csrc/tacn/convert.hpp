#pragma once

#include <cstddef>

#include "tacn/tacn.hpp"

namespace edgeser {

// Converts rings between two kernels of the same weights. Inputs become Q, K and V by projection,
// with the bits of this kernel. Q, K and V become inputs by least squares in float64; projecting
// these gives Q, K and V again within rounding error, for any weights. int8 rings cannot be
// converted: their inputs are rounded separately.

bool can_convert(Rings from, Rings to) noexcept;

// Writes all of `state`, with tacn's rings, from a state of the same weights with rings `from`. The
// two must differ, and be convertible. Throws std::bad_alloc.
void convert_state(const Tacn& tacn, Rings from, const std::byte* other, std::byte* state);

}  // namespace edgeser
