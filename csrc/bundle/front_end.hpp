#pragma once

#include <memory>

#include "bundle/bundle.hpp"
#include "front_end/front_end.hpp"

namespace edgeser {

// The bundle's front end by our own kernel, its weights in `precision`; null if the bundle does not
// tell its network's layers. Throws BundleError if these fit neither each other nor the sizes.
std::unique_ptr<const FrontEnd> native_front_end(const Bundle& bundle, const Level& level,
                                                 Precision precision = Precision::float32);

}  // namespace edgeser
