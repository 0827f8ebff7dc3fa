#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace edgeser {

// The result of one hop. Its probabilities (L) are stored elsewhere.
struct Frame {
  double time;       // seconds, of its last sample
  float confidence;  // the largest probability
  float speech;      // score in [0, 1]
  float level;       // running level, dBFS
  std::int32_t label;
  bool open;  // whether the gate was open; if not, all probabilities are equal
};

constexpr float silence_level = -200;  // dBFS, of digital silence

// Softmax in float64, rounded once. Returns false and writes nothing if a logit is not finite.
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
