#pragma once

#include "simd/level.hpp"
#include "tacn/step.hpp"

// Instantiates the TACN's step for the level S.
#define EDGESER_COMPILE(S)                             \
  template TacnStep tacn_step<S, Precision::float32>;  \
  template TacnStep tacn_step<S, Precision::bfloat16>; \
  template TacnStep tacn_step<S, Precision::int8>;
