#pragma once

#include <cstddef>
#include <vector>

namespace edgeser {

// The prototype of a resampler: h(t), t in input samples, zero for |t| >= half_width.
struct ResamplerDesign {
  std::size_t half_width;  // a multiple of 8, so that 2 * half_width fills whole accumulators
  double cutoff;           // cycles per input sample, the middle of the transition band
  double beta;             // of the Kaiser window
  double peak;             // I0(beta)

  // For an output rate of `ratio` times the input rate.
  static ResamplerDesign for_ratio(double ratio);

  double operator()(double t) const;

  // (phases + 1, 2 * half_width): row r holds h(r / phases + half_width - 1 - j) for tap j, oldest
  // first.
  std::vector<float> table(std::size_t phases) const;
};

}  // namespace edgeser
