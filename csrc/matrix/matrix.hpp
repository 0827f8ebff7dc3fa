#pragma once

#include <cstddef>

namespace edgeser {

// A view of an (inputs, outputs) matrix packed for one SIMD level. Kernels are compiled once a
// level with that level's flags, so what they include is plain data: an inline function here could
// be emitted with AVX-512 instructions and picked by the linker for everyone.
//
// The outputs are cut into panels of `panel_vectors * lanes` columns, the last one narrower but a
// whole number of vectors. Within a panel the rows follow each other, so that both one token and
// a batch read the weights strictly forwards. Columns beyond `outputs` are zero weights.
struct Matrix {
  const float* weights;  // the panels, 64-byte aligned
  const float* bias;     // `padded` values
  std::size_t inputs;
  std::size_t outputs;
  std::size_t padded;  // outputs rounded up to whole vectors
};

}  // namespace edgeser
