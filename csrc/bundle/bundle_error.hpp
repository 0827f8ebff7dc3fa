#pragma once

#include "error.hpp"

namespace edgeser {

// A bundle that cannot be read, or that is not what it says. The message names the member.
class BundleError : public Error {
 public:
  using Error::Error;
};

}  // namespace edgeser
