#pragma once

// CMake compiles the files of this folder once for each SIMD level, with the level's flags and its
// vector type S: a change of one kernel compiles no other. Nothing in them throws.
#include EDGESER_LEVEL_HEADER

namespace edgeser {

using S = simd::EDGESER_LEVEL_TYPE;

}  // namespace edgeser
