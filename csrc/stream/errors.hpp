#pragma once

#include <cstdio>
#include <string>

#include "error.hpp"

namespace edgeser {

// The errors of streams, by kind. Each corresponds to an exception class in Python and a status in
// C. Messages say what is wrong and what to do.

// Unusable audio (type, shape, length, scale or rate), or options that contradict each other.
class AudioError : public Error {
 public:
  using Error::Error;
};

// A saved stream that is damaged or of another model, or a stream in a place where it does not fit.
class StateError : public Error {
 public:
  using Error::Error;
};

// Two calls in one stream at the same time.
class BusyError : public Error {
 public:
  using Error::Error;
};

// The model failed during execution.
class BackendError : public Error {
 public:
  using Error::Error;
};

// A number as a message says it.
inline std::string text(double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%g", value);
  return digits;
}

}  // namespace edgeser
