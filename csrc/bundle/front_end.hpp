#pragma once

#include <memory>

#include "bundle/bundle.hpp"
#include "front_end/front_end.hpp"

namespace edgeser {

// The bundle's front end as our own kernel, with weights in `precision`; null if the bundle does
// not contain the network's layers. Throws BundleError if these contradict each other or the sizes.
std::unique_ptr<const FrontEnd> native_front_end(const Bundle& bundle, const Level& level,
                                                 Precision precision = Precision::float32);

}  // namespace edgeser
