#pragma once

#include <memory>

#include "edgeser.h"
#include "stream/core.hpp"
#include "stream/detector.hpp"
#include "stream/options.hpp"

namespace edgeser {

// What the options say; null: the defaults. Throws Error for values that say nothing.
StreamOptions options_from(const Core& core, const edgeser_options* options);

// A detector that is a function in C; null if there is none.
std::shared_ptr<Detector> detector_from(const edgeser_detector* detector);

}  // namespace edgeser
