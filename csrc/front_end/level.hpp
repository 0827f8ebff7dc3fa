#pragma once

#include <math.h>

#include <cstddef>

#include "front_end/plan.hpp"
#include "simd/log.hpp"

namespace edgeser {

// The mean over the newest frames of `power` (frames, bins) without rumble, hum and DC, in dBFS;
// zero power is -200 dB. Sixteen interleaved sums on every level, so that all add in the same
// order.
template <class S>
inline float hop_level(const LevelPlan& plan, const float* power, std::size_t frames,
                       std::size_t bins) {
  constexpr std::size_t sums = 16;
  float sum[sums] = {};
  for (std::size_t frame = frames - plan.frames; frame < frames; ++frame) {
    const float* const row = power + frame * bins;
    std::size_t bin = plan.first_bin - 1;  // the map begins with bin 1
    for (; bin + sums <= bins; bin += sums) {
      for (std::size_t i = 0; i < sums; ++i) sum[i] += row[bin + i];
    }
    for (std::size_t i = 0; bin < bins; ++bin, ++i) sum[i] += row[bin];
  }
  double total = 0;
  for (const float part : sum) total += static_cast<double>(part);
  // The C function: an inline template of <cmath> could be compiled to this level's instructions.
  return static_cast<float>(10.0 * ::log10(total / static_cast<double>(plan.frames) * 1e20 + 1.0) -
                            200.0);
}

// The running level after a hop whose own level is `heard`.
template <class S>
inline float next_level(const LevelPlan& plan, float level, float heard) {
  float next = heard;
  if (level > 0.5f * plan.unset) {
    const float difference = heard - level > -plan.fall_limit ? heard - level : -plan.fall_limit;
    const float moved = level + (difference > 0 ? plan.rise : plan.fall) * difference;
    next = moved > heard - plan.headroom ? moved : heard - plan.headroom;
  }
  return next > plan.quietest ? next : plan.quietest;
}

// Maps power in place to [-1, 1 + 20 / dynamic_range]: the floor to -1, the level to 1.
template <class S>
inline void normalise(const LevelPlan& plan, float level, float* power, std::size_t count) {
  constexpr double decibel = 0.23025850929940457;  // ln(10) / 10
  const double range = static_cast<double>(plan.dynamic_range);
  const auto gain =
      S::broadcast(static_cast<float>(::exp((range - static_cast<double>(level)) * decibel)));
  const auto scale = S::broadcast(static_cast<float>(2.0 / range / decibel));
  const auto top = S::broadcast(static_cast<float>(1.0 + 20.0 / range));
  const auto one = S::broadcast(1.0f);
  const auto floor = S::broadcast(-1.0f);
  const auto apply = [&](typename S::Vec x) {
    x = S::fma(simd::log_from_one<S>(S::fma(x, gain, one)), scale, floor);
    return S::select(S::less(x, top), x, top);
  };
  std::size_t at = 0;
  for (; at + S::lanes <= count; at += S::lanes) S::store(power + at, apply(S::load(power + at)));
  if (at < count) S::store(power + at, apply(S::load(power + at, count - at)), count - at);
}

}  // namespace edgeser
