#pragma once

#include <pybind11/pybind11.h>

#include "stream/options.hpp"

namespace edgeser {

// The fields of an Endpointing, in order. Throws Error if they are not valid.
UtteranceRules rules_from(const pybind11::tuple& fields);

}  // namespace edgeser
