#pragma once

#include <stdexcept>
#include <string>

namespace edgeser {

// The only exception the kernels throw on purpose. Its message says what was wrong and what to do.
class Error : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// Throws Error(message) unless `condition` holds. Build costly messages behind an `if` instead.
inline void require(bool condition, const char* message) {
  if (!condition) throw Error(message);
}

}  // namespace edgeser
