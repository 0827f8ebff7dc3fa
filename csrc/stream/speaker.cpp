#include "stream/speaker.hpp"

#include <algorithm>

namespace edgeser {
namespace {

float bounded(float value, float bound) { return std::min(std::max(value, -bound), bound); }

}  // namespace

Speaker::Speaker(std::size_t width, const Constants& constants, const float* mean,
                 const float* deviation, const float* between, const float* neutral,
                 const float* known)
    : width_(width),
      constants_(constants),
      mean_(mean, mean + width),
      deviation_(deviation, deviation + width),
      between_(between, between + width),
      neutral_(neutral, neutral + width),
      known_(known, known + width) {
  float sum = 0;
  for (const float value : between_) sum += value;
  mean_between_ = sum / static_cast<float>(width);
}

void Speaker::normalise(const float* token, float* z) const noexcept {
  for (std::size_t c = 0; c < width_; ++c) {
    z[c] = bounded((token[c] - mean_[c]) / deviation_[c], largest_token);
  }
}

void Speaker::hear(const float* z, const SpeakerMemory& memory, float* heard) const noexcept {
  const float weight = *memory.weight;
  for (std::size_t c = 0; c < width_; ++c) {
    memory.sum[c] += z[c];
    heard[c] = z[c] - memory.shift[c] + weight * known_[c];
  }
}

void Speaker::end(const SpeakerMemory& memory, std::size_t tokens, bool adapt) const noexcept {
  if (adapt && tokens >= constants_.shortest && tokens > 0) {
    const float count = static_cast<float>(tokens);
    const float utterances = std::min(*memory.utterances + 1.0f, constants_.most);
    for (std::size_t c = 0; c < width_; ++c) {
      const float mu = bounded(memory.sum[c] / count, largest_token);
      memory.mean[c] += (mu - memory.mean[c]) / utterances;
      memory.square[c] += (mu * mu - memory.square[c]) / utterances;
    }
    *memory.utterances = utterances;
  }
  std::fill_n(memory.sum, width_, 0.0f);
  settle(memory);
}

void Speaker::forget(const SpeakerMemory& memory) const noexcept {
  *memory.utterances = 0;
  std::fill_n(memory.sum, width_, 0.0f);
  std::fill_n(memory.mean, width_, 0.0f);
  std::fill_n(memory.square, width_, 0.0f);
  settle(memory);
}

void Speaker::calibrate(const SpeakerMemory& memory, const float* sum,
                        std::size_t tokens) const noexcept {
  for (std::size_t c = 0; c < width_; ++c) {
    const float mu = bounded(sum[c] / static_cast<float>(tokens), largest_token);
    const float mean = bounded(mu - neutral_[c], largest_token);
    memory.mean[c] = mean;
    memory.square[c] = std::min(mean * mean + between_[c], largest_square);
  }
  *memory.utterances = std::min(constants_.calibration, constants_.most);
  std::fill_n(memory.sum, width_, 0.0f);
  settle(memory);
}

void Speaker::settle(const SpeakerMemory& memory) const noexcept {
  const float utterances = *memory.utterances;
  float spread = 0;
  if (utterances >= 2) {
    float sum = 0;
    for (std::size_t c = 0; c < width_; ++c) {
      sum += std::max(memory.square[c] - memory.mean[c] * memory.mean[c], 0.0f);
    }
    const float mean = sum / static_cast<float>(width_);
    spread = std::min(1.0f, mean * utterances / (utterances - 1.0f) / mean_between_);
  }
  const float share = constants_.floor + (1.0f - constants_.floor) * spread;
  const float weight = utterances / (utterances + constants_.prior) * share;
  *memory.weight = weight;
  for (std::size_t c = 0; c < width_; ++c) {
    memory.shift[c] = bounded(weight * memory.mean[c], constants_.bound);
  }
}

}  // namespace edgeser
