#include "stream/chunk.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "stream/errors.hpp"

namespace edgeser {
namespace {

template <class T>
T sample(const Chunk& chunk, std::size_t at, std::size_t channel) noexcept {
  T value;
  std::memcpy(&value,
              chunk.data + static_cast<std::ptrdiff_t>(at) * chunk.sample_stride +
                  static_cast<std::ptrdiff_t>(channel) * chunk.channel_stride,
              sizeof value);
  return value;
}

// Guesses the scale of floats from `low` to `high`, and says how to bring them to [-1, 1].
std::string scale_hint(double low, double high) {
  if (low >= 0 && high <= 255) {
    return "this looks like unsigned 8-bit scale; subtract 128, then divide by 128";
  }
  if (low >= 0 && high > 32768 && high <= 65535) {
    return "this looks like unsigned 16-bit scale; subtract 32768, then divide by 32768";
  }
  const double largest = std::max(-low, high);
  if (largest <= 128) {
    return "this looks like 8-bit scale; divide by the full scale of where they come from";
  }
  if (largest <= 32768) return "this looks like int16 scale; divide by 32768, or pass int16";
  if (largest <= 8388608) return "this looks like 24-bit scale; divide by 8388608";
  if (largest <= 2147483648.0) return "this looks like int32 scale; divide by 2147483648";
  return "this is no scale of whole numbers; look for what made them so large";
}

template <class T>
void check_values(const Chunk& chunk) {
  constexpr T most = largest_sample;
  bool good = true;
  for (std::size_t channel = 0; channel < chunk.channels; ++channel) {
    for (std::size_t i = 0; i < chunk.samples; ++i) {
      good &= std::abs(sample<T>(chunk, i, channel)) <= most;  // false for NaN
    }
  }
  if (good) return;
  T low = 0;
  T high = 0;
  bool first = true;
  for (std::size_t i = 0; i < chunk.samples; ++i) {
    for (std::size_t channel = 0; channel < chunk.channels; ++channel) {
      const T value = sample<T>(chunk, i, channel);
      if (!std::isfinite(value)) {
        throw AudioError("sample " + std::to_string(i) +
                         " of the chunk is NaN or infinite: whatever made it is broken; "
                         "replace such samples by 0 if they are expected");
      }
      low = first ? value : std::min(low, value);
      high = first ? value : std::max(high, value);
      first = false;
    }
  }
  throw AudioError("float samples reach " + text(std::max(-double{low}, double{high})) +
                   "; they must be in [-1, 1], and a few that clip, up to " + text(largest_sample) +
                   ", are let pass: " + scale_hint(low, high));
}

template <class T>
void mix(const Chunk& chunk, std::size_t first, std::size_t count, float* mono) noexcept {
  if (chunk.channels == 1 && chunk.sample_stride == sizeof(float) &&
      chunk.type == SampleType::float32) {
    std::memcpy(mono, chunk.data + first * sizeof(float), count * sizeof(float));
    return;
  }
  for (std::size_t i = 0; i < count; ++i)
    mono[i] = static_cast<float>(sample<T>(chunk, first + i, 0));
  for (std::size_t channel = 1; channel < chunk.channels; ++channel) {
    for (std::size_t i = 0; i < count; ++i) {
      mono[i] += static_cast<float>(sample<T>(chunk, first + i, channel));
    }
  }
  if (chunk.channels == 1) return;
  const float share = 1.0f / static_cast<float>(chunk.channels);
  for (std::size_t i = 0; i < count; ++i) mono[i] *= share;
}

// Replaces samples below -240 dBFS by zeros. Their powers would be denormal numbers, with which
// some processors compute ten times as long. The smallest step of 32-bit audio is 512 times as
// large.
void drop_inaudible(float* mono, std::size_t count) noexcept {
  constexpr float least = 0x1p-40f;
  for (std::size_t i = 0; i < count; ++i) mono[i] = std::abs(mono[i]) < least ? 0.0f : mono[i];
}

}  // namespace

void check_rate(long long rate) {
  if (rate >= lowest_rate && rate <= highest_rate) return;
  throw AudioError("a sample rate of " + std::to_string(rate) + " Hz is outside " +
                   std::to_string(lowest_rate) + " to " + std::to_string(highest_rate) +
                   " Hz: state the rate at which the samples were taken, in Hz");
}

void check_chunk(const Chunk& chunk, int rate) {
  if (chunk.samples == 0 || chunk.channels == 0) {
    throw AudioError("the chunk is empty: skip the call when there is nothing to push");
  }
  if (chunk.channels > most_channels) {
    throw AudioError("the chunk has " + std::to_string(chunk.channels) + " channels, and at most " +
                     std::to_string(most_channels) +
                     " are taken: if it is (channels, samples), transpose it");
  }
  const double seconds = static_cast<double>(chunk.samples) / rate;
  if (seconds > longest_chunk) {
    throw AudioError("the chunk is " + std::to_string(std::llround(seconds)) +
                     " s long and a call takes at most " +
                     std::to_string(std::llround(longest_chunk)) +
                     " s: push smaller chunks (in Python, model.analyze takes whole recordings)");
  }
  if (chunk.type == SampleType::float32) check_values<float>(chunk);
  if (chunk.type == SampleType::float64) check_values<double>(chunk);
}

void to_mono(const Chunk& chunk, std::size_t first, std::size_t count, float* mono) noexcept {
  switch (chunk.type) {
    case SampleType::float32:
      mix<float>(chunk, first, count, mono);
      return drop_inaudible(mono, count);
    case SampleType::float64:
      mix<double>(chunk, first, count, mono);
      return drop_inaudible(mono, count);
    case SampleType::int16:
      mix<std::int16_t>(chunk, first, count, mono);
      for (std::size_t i = 0; i < count; ++i) mono[i] *= 1.0f / 32768.0f;
  }
}

}  // namespace edgeser
