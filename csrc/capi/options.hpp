#pragma once

#include <memory>

#include "edgeser.h"
#include "stream/core.hpp"
#include "stream/detector.hpp"
#include "stream/options.hpp"

namespace edgeser {

// Converts the options; null: the defaults. Throws Error for invalid values.
StreamOptions options_from(const Core& core, const edgeser_options* options);

// A detector that calls a C function; null if there is none.
std::shared_ptr<Detector> detector_from(const edgeser_detector* detector);

}  // namespace edgeser
