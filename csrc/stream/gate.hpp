#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

namespace edgeser {

// 1 / (1 + e^-x), in float64, rounded once.
inline float sigmoid(float x) {
  const double power = std::exp(-std::abs(double{x}));
  return static_cast<float>((x >= 0 ? 1.0 : power) / (1.0 + power));
}

// The speech gate: a score from a token and the tokens before it, whether speech or not:
//
//     sigmoid(out . relu(bias + sum_i x_(t-i) W_i) + out_bias),  i = 0..M
//
// Tokens before the start add nothing. Plain loops in a fixed order, so the bits do not depend on
// the SIMD level. Immutable.
class Gate {
 public:
  static constexpr std::size_t max_hidden = 1024;

  // weight (M + 1, C, H), bias (H), out (H): row-major, copied.
  Gate(std::size_t width, std::size_t hidden, std::size_t memory, const float* weight,
       const float* bias, const float* out, float out_bias)
      : width_(width),
        hidden_(hidden),
        memory_(memory),
        weight_(weight, weight + (memory + 1) * width * hidden),
        bias_(bias, bias + hidden),
        out_(out, out + hidden),
        out_bias_(out_bias) {}

  std::size_t memory() const { return memory_; }  // M

  // The score in [0, 1] of a token (C), given `count` <= M tokens before it, newest first (M, C).
  float score(const float* token, const float* earlier, std::size_t count) const noexcept {
    float hidden[max_hidden];
    std::copy(bias_.begin(), bias_.end(), hidden);
    add(hidden, token, 0);
    for (std::size_t i = 0; i < count; ++i) add(hidden, earlier + i * width_, i + 1);
    float sum = out_bias_;
    for (std::size_t h = 0; h < hidden_; ++h) sum += out_[h] * std::max(hidden[h], 0.0f);
    return sigmoid(sum);
  }

  // Adds a token to the memory, which holds `count` tokens.
  void remember(const float* token, float* earlier, std::size_t& count) const noexcept {
    if (memory_ == 0) return;
    std::memmove(earlier + width_, earlier, (memory_ - 1) * width_ * sizeof(float));
    std::memcpy(earlier, token, width_ * sizeof(float));
    count = std::min(count + 1, memory_);
  }

 private:
  void add(float* hidden, const float* token, std::size_t back) const noexcept {
    const float* weight = &weight_[back * width_ * hidden_];
    for (std::size_t c = 0; c < width_; ++c, weight += hidden_) {
      for (std::size_t h = 0; h < hidden_; ++h) hidden[h] += token[c] * weight[h];
    }
  }

  std::size_t width_, hidden_, memory_;
  std::vector<float> weight_, bias_, out_;
  float out_bias_;
};

}  // namespace edgeser
