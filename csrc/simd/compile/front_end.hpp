#pragma once

#include "front_end/read.hpp"
#include "simd/level.hpp"

// Instantiates the front end for the level S.
#define EDGESER_COMPILE(S)                                      \
  template FrontEndRead front_end_read<S, Precision::float32>;  \
  template FrontEndRead front_end_read<S, Precision::bfloat16>; \
  template FrontEndRead front_end_read<S, Precision::int8>;     \
  template SpectrumRead read_spectrum<S>;
