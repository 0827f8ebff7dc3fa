#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace edgeser {

// What is known at one moment of a stream. Its probabilities (L) lie elsewhere.
struct Frame {
  double time;       // seconds, of the last sample heard
  float confidence;  // the largest probability
  float speech;      // score in [0, 1]
  float level;       // running level, dBFS
  std::int32_t label;
  bool open;  // the gate was: else all probabilities are equal
};

constexpr float silence_level = -200;  // dBFS, of digital silence

// Softmax in float64, rounded once. False, and nothing written, if a logit is not finite.
inline bool softmax(const float* logits, std::size_t labels, float* probabilities) noexcept {
  if (!std::all_of(logits, logits + labels, [](float x) { return std::isfinite(x); })) return false;
  const double top = *std::max_element(logits, logits + labels);
  double sum = 0;
  for (std::size_t i = 0; i < labels; ++i) sum += std::exp(logits[i] - top);
  for (std::size_t i = 0; i < labels; ++i) {
    probabilities[i] = static_cast<float>(std::exp(logits[i] - top) / sum);
  }
  return true;
}

}  // namespace edgeser
