#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace edgeser {

// The verdict: a weighted mean over frames with speech. A frame's weight is its speech score times
// the amount of speech so far, up to three seconds: the model judges by all it has heard, so the
// first frames of an utterance are the least reliable.
//
// Sums are float64 (1 + L): the weight, then the weighted probabilities. Even in an utterance of a
// year the last frame still counts fully.

constexpr std::int64_t ramp_frames = 24;  // about three seconds

// The verdict on one utterance, or on all since a flush. Its probabilities (L) are stored
// elsewhere.
struct Verdict {
  std::int32_t label;  // index, or no_label
  float confidence;    // the largest probability; 0 without speech
  double duration;     // seconds
  double speech;       // seconds of speech in it
};

constexpr std::int32_t no_label = -1;

// Adds a frame of speech to the sums. `nth` is its number, from 1.
inline void add_to_verdict(double* sums, const float* probabilities, std::size_t labels,
                           float speech, std::int64_t nth) noexcept {
  const double weight = double{speech} * static_cast<double>(std::min(nth, ramp_frames)) /
                        static_cast<double>(ramp_frames);
  sums[0] += weight;
  for (std::size_t i = 0; i < labels; ++i) sums[1 + i] += weight * double{probabilities[i]};
}

// When a verdict has a label.
struct VerdictRules {
  double confidence;  // minimum
  double shortest;    // minimum, in seconds of speech
};

// Computes the verdict from its sums; writes the probabilities (L).
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
