#include "stream/layout.hpp"

#include <bit>

namespace edgeser {

static_assert(std::endian::native == std::endian::little, "saved states are little-endian");

Layout::Layout(const Core& core, const Resampler& resampler) : width_(core.sizes.width) {
  const std::size_t verdict = (1 + core.labels.size()) * sizeof(double);
  std::size_t at = 0;
  const auto section = [&](std::size_t bytes) {
    const std::size_t begin = at;
    at += (bytes + 63) / 64 * 64;
    return begin;
  };
  section(sizeof(Memory));
  sums_ = section(verdict);
  utterance_sums_ = section(verdict);
  speaker_ = section(4 * width_ * sizeof(float));
  gate_ = section(core.gate.memory() * width_ * sizeof(float));
  quiet_ = section(sizeof(QuietMemory));
  tail_ = section(core.sizes.segment * sizeof(float));
  resampler_ = section(resampler.state_bytes());
  rings_ = section(core.tacn.state_bytes());
  bytes_ = at;
}

SpeakerMemory Layout::speaker(std::byte* block) const {
  Memory& head = memory(block);
  float* const first = floats(block, speaker_);
  return {&head.utterances, &head.weight,       first,
          first + width_,   first + 2 * width_, first + 3 * width_};
}

}  // namespace edgeser
