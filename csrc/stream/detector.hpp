#pragma once

#include <cstddef>

namespace edgeser {

// Another speech score in the place of the model's own. Belongs to one stream, and may remember;
// what it remembers is no part of the stream's state.
class Detector {
 public:
  virtual ~Detector() = default;

  // How sure it is, in [0, 1], that the newest hop, `count` samples at the model's rate, holds
  // speech. May throw; the stream is then as before the call.
  virtual double score(const float* hop, std::size_t count) = 0;
};

}  // namespace edgeser
