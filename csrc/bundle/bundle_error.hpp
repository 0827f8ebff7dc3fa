#pragma once

#include "error.hpp"

namespace edgeser {

// A bundle that cannot be read or is invalid. The message names the member.
class BundleError : public Error {
 public:
  using Error::Error;
};

}  // namespace edgeser
