#pragma once

#include <cstddef>

namespace edgeser {

enum class SampleType { int16, float32, float64 };

// A caller's samples, wherever and however they lie. Aligned or not.
struct Chunk {
  const std::byte* data = nullptr;
  SampleType type = SampleType::float32;
  std::size_t samples = 0, channels = 1;
  std::ptrdiff_t sample_stride = sizeof(float), channel_stride = sizeof(float);  // bytes
};

constexpr int lowest_rate = 8'000, highest_rate = 192'000;  // Hz
constexpr std::size_t most_channels = 32;
constexpr double longest_chunk = 300;  // seconds: an hour in one call is an accident
constexpr float largest_sample = 8;    // more is no sound in [-1, 1] that clips a little

// Throws AudioError unless a stream may have this rate.
void check_rate(long long rate);

// Throws AudioError, saying what is wrong, unless a stream of that rate can take the chunk: its
// length and channels, and every sample: none NaN, infinite, or at another scale than [-1, 1].
void check_chunk(const Chunk& chunk, int rate);

// Writes `count` samples from `first` on as mono float32 in [-1, 1]: the mean over channels.
// Channel by channel, so that a sample never depends on its neighbours.
void to_mono(const Chunk& chunk, std::size_t first, std::size_t count, float* mono) noexcept;

}  // namespace edgeser
