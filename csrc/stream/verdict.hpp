#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace edgeser {

// How frames add up to a verdict: the mean over speech, weighted. A frame weighs its speech score,
// times how much speech had been heard by then, up to three seconds of it: the model judges by all
// that it has heard, so the first frames of an utterance know least.
//
// Sums are float64 (1 + L): the weight, then the weighted probabilities. In an utterance of a year
// the last frame still counts for what it should.

constexpr std::int64_t ramp_frames = 24;  // about three seconds

// What one utterance, or all since a flush, was. Its probabilities (L) lie elsewhere.
struct Verdict {
  std::int32_t label;  // index, or no_label
  float confidence;    // the largest probability; 0 if nobody spoke
  double duration;     // seconds
  double speech;       // seconds of it in which somebody spoke
};

constexpr std::int32_t no_label = -1;

// Lets a frame of speech count. `nth` is how many counted so far, this one included.
inline void add_to_verdict(double* sums, const float* probabilities, std::size_t labels,
                           float speech, std::int64_t nth) noexcept {
  const double weight = double{speech} * static_cast<double>(std::min(nth, ramp_frames)) /
                        static_cast<double>(ramp_frames);
  sums[0] += weight;
  for (std::size_t i = 0; i < labels; ++i) sums[1 + i] += weight * double{probabilities[i]};
}

// When a verdict carries a label.
struct VerdictRules {
  double confidence;  // at least
  double shortest;    // seconds of speech, at least
};

// What the sums amount to; writes the probabilities (L).
inline Verdict conclude(const double* sums, std::size_t labels, const VerdictRules& rules,
                        double duration, double speech, float* probabilities) noexcept {
  Verdict verdict{no_label, 0, duration, std::min(speech, duration)};
  std::fill_n(probabilities, labels, 1.0f / static_cast<float>(labels));
  if (!(sums[0] > 0)) return verdict;
  for (std::size_t i = 0; i < labels; ++i) {
    probabilities[i] = static_cast<float>(sums[1 + i] / sums[0]);
  }
  const float* const best = std::max_element(probabilities, probabilities + labels);
  verdict.confidence = *best;
  if (speech >= rules.shortest && double{*best} >= rules.confidence) {
    verdict.label = static_cast<std::int32_t>(best - probabilities);
  }
  return verdict;
}

}  // namespace edgeser
