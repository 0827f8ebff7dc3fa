#pragma once

#include <stdexcept>
#include <string>

namespace edgeser {

// The only exception that kernels throw. Its message says what is wrong and what to do.
class Error : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// Throws Error(message) unless `condition` holds. Build expensive messages behind an `if` instead.
inline void require(bool condition, const char* message) {
  if (!condition) throw Error(message);
}

}  // namespace edgeser
