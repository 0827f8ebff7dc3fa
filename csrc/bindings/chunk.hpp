#pragma once

#include <pybind11/pybind11.h>

#include "stream/chunk.hpp"

namespace edgeser {

// What a caller pushed, as it lies in an array that must stay alive. Throws AudioError unless it is
// an array (n,) or (n, channels) of a type that streams take.
Chunk chunk_from(pybind11::handle object);

// The rate as a whole number. Throws AudioError if it is none, or none of a stream.
int rate_from(pybind11::handle object);

}  // namespace edgeser
