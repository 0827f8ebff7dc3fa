#pragma once

#include "resampler/filter.hpp"
#include "simd/level.hpp"

// Instantiates the resampler's filter for the level S.
#define EDGESER_COMPILE(S) template ResampleFilter resample_filter<S>;
