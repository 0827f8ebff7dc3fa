#pragma once

#include <cstddef>
#include <vector>

#include "front_end/plan.hpp"
#include "matrix/packed_matrix.hpp"
#include "simd/level.hpp"

namespace edgeser {

// w[n] = 1/2 - 1/2 cos(2 pi n / size): zero at n = 0, one in the middle.
double hann(std::size_t n, std::size_t size);

// The transform of a SpectrogramPlan, packed for a level. Immutable.
class Spectrogram {
 public:
  // Frames of `window` samples, a multiple of 4, every `hop` samples; `samples` holds at least one.
  Spectrogram(const Level& level, std::size_t window, std::size_t hop, std::size_t samples);

  const SpectrogramPlan& plan() const { return plan_; }

 private:
  std::vector<PackedMatrix> matrices_;
  std::vector<float> hann_;
  SpectrogramPlan plan_{};
};

}  // namespace edgeser
