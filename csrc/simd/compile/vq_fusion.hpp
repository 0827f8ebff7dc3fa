#pragma once

#include "simd/level.hpp"
#include "vq_fusion/fuse.hpp"

// Instantiates lookup and fusion for the level S.
#define EDGESER_COMPILE(S)                        \
  template VqFuse vq_fuse<S, Precision::float32>; \
  template VqFuse vq_fuse<S, Precision::bfloat16>;
