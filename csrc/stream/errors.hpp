#pragma once

#include "error.hpp"

namespace edgeser {

// What a stream refuses, by kind: each is one of the package's own errors in Python and a status
// in C. Messages say what was wrong and what to do.

// Sound that cannot be used: its type, shape, length, scale, rate; or rules that fit none.
class AudioError : public Error {
 public:
  using Error::Error;
};

// A saved stream that is damaged or belongs elsewhere, or a stream where it does not fit.
class StateError : public Error {
 public:
  using Error::Error;
};

// Two calls met in one stream.
class BusyError : public Error {
 public:
  using Error::Error;
};

// The model failed while it ran.
class BackendError : public Error {
 public:
  using Error::Error;
};

}  // namespace edgeser
