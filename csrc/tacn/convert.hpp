#pragma once

#include <cstddef>

#include "tacn/tacn.hpp"

namespace edgeser {

// What rings keep, made into what another kernel of the same weights keeps. Inputs become Q, K and
// V by being projected, to the bits that this kernel gives. Q, K and V become the inputs that give
// them: the least squares, in float64, so that what is projected from those is within rounding of
// what there was, however the weights are. int8 is neither: its inputs are rounded by themselves.

bool can_convert(Rings from, Rings to) noexcept;

// Writes all of `state`, with tacn's rings, from one of the same weights that keeps `from`. They
// differ, and can be converted. Throws std::bad_alloc.
void convert_state(const Tacn& tacn, Rings from, const std::byte* other, std::byte* state);

}  // namespace edgeser
