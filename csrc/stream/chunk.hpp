#pragma once

#include <cstddef>

namespace edgeser {

enum class SampleType { int16, float32, float64 };

// A caller's samples, in any layout and alignment.
struct Chunk {
  const std::byte* data = nullptr;
  SampleType type = SampleType::float32;
  std::size_t samples = 0, channels = 1;
  std::ptrdiff_t sample_stride = sizeof(float), channel_stride = sizeof(float);  // bytes
};

constexpr int lowest_rate = 8'000, highest_rate = 192'000;  // Hz
constexpr std::size_t most_channels = 32;
constexpr double longest_chunk = 300;  // seconds; a longer one is almost certainly a mistake
constexpr float largest_sample = 8;    // samples far outside [-1, 1] are on another scale

// Throws AudioError unless streams support this rate.
void check_rate(long long rate);

// Throws AudioError unless a stream of this rate can process the chunk: checks its length, its
// channels, and every sample (no NaN, no infinity, in the scale of [-1, 1]).
void check_chunk(const Chunk& chunk, int rate);

// Writes `count` samples from `first` on as mono float32 in [-1, 1]: the mean over channels. Sums
// channel by channel, so that a sample's bits never depend on its neighbours.
void to_mono(const Chunk& chunk, std::size_t first, std::size_t count, float* mono) noexcept;

}  // namespace edgeser
