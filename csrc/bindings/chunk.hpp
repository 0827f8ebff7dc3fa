#pragma once

#include <pybind11/pybind11.h>

#include "stream/chunk.hpp"

namespace edgeser {

// The caller's array as a chunk, without a copy; the array must stay alive. Throws AudioError
// unless it has the shape (n,) or (n, channels) and a supported type.
Chunk chunk_from(pybind11::handle object);

// The rate as an integer. Throws AudioError unless it is an integer that streams support.
int rate_from(pybind11::handle object);

}  // namespace edgeser
