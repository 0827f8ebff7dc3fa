#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

// The same numbers on every platform, unlike std::normal_distribution.
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
