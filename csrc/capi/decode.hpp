#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace edgeser {

// Softmax over all logits but the last, as logarithms; sigmoid of the last. In double, rounded
// once. Either output may be null.
inline void decode(const float* logits, std::size_t labels, float* log_probabilities,
                   float* speech) {
  if (log_probabilities != nullptr) {
    const double top = *std::max_element(logits, logits + labels);
    double sum = 0;
    for (std::size_t i = 0; i < labels; ++i) sum += std::exp(logits[i] - top);
    const double whole = top + std::log(sum);
    for (std::size_t i = 0; i < labels; ++i) {
      log_probabilities[i] = static_cast<float>(logits[i] - whole);
    }
  }
  if (speech != nullptr) *speech = static_cast<float>(1 / (1 + std::exp(-double{logits[labels]})));
}

}  // namespace edgeser
