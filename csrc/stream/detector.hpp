#pragma once

#include <cstddef>

namespace edgeser {

// A voice activity detector that replaces the model's own speech score. Belongs to one stream and
// may have a state, which is not part of the stream's saved state.
class Detector {
 public:
  virtual ~Detector() = default;

  // The probability in [0, 1] that the newest hop, `count` samples at the model's rate, is speech.
  // May throw; the stream is then as it was before the call.
  virtual double score(const float* hop, std::size_t count) = 0;
};

}  // namespace edgeser
