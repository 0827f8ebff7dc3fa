#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

// The same numbers on all platforms, unlike std::normal_distribution.
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}

  float uniform(float low, float high) {
    return low + (high - low) * static_cast<float>(engine_() >> 8) / 16777216.0f;
  }
  std::vector<float> floats(std::size_t count, float scale = 1) {
    std::vector<float> values(count);
    for (float& value : values) value = uniform(-scale, scale);
    return values;
  }

 private:
  std::mt19937 engine_;
};

// FNV-1a of the bits of floats, hashed as numbers, so that byte order does not matter.
inline std::uint32_t bits_hash(const std::vector<float>& values) {
  std::uint32_t hash = 2166136261u;
  for (const float& value : values) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    hash = (hash ^ bits) * 16777619u;
  }
  return hash;
}
