#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "resampler/plan.hpp"
#include "simd/level.hpp"

namespace edgeser {

// Streaming zero-phase polyphase resampler for any two rates.
//
// Output m is sum_n x[n] h(m * in/out - n), where h is a sinc under a Kaiser window whose
// transition band runs from 0.875 of the lower Nyquist frequency (pass band, ripple below 0.001 dB)
// to that frequency itself (stop band, below -90 dB). The signal is preceded by zeros, so there is
// no warm-up to cut off; an output appears once half_width() further samples have come.
//
// Each output is one dot product in fixed order, so its bits do not depend on chunks. Immutable;
// may be used from any number of threads at once. The caller owns the states.
class Resampler {
 public:
  static constexpr int min_rate = 4000;
  static constexpr int max_rate = 384000;

  // Rates in Hz. Throws Error if one is out of range.
  Resampler(const Level& level, int rate_in, int rate_out);
  Resampler(const Resampler&) = delete;
  Resampler& operator=(const Resampler&) = delete;

  int rate_in() const { return rate_in_; }
  int rate_out() const { return rate_out_; }
  std::size_t taps() const { return plan_.taps; }            // per phase; 0 if the rates are equal
  std::size_t half_width() const { return plan_.taps / 2; }  // input samples of look-ahead
  double delay() const { return static_cast<double>(half_width()) / rate_in_; }  // seconds
  std::size_t state_bytes() const { return state_bytes_; }  // 0 if the rates are equal
  const Level& level() const { return level_; }

  // Throws Error unless `state`, of state_bytes() bytes, is a possible state of this resampler.
  void check_state(const std::byte* state) const;

  // Number of outputs that `count` more input samples release. The state must have passed
  // check_state.
  std::size_t output_count(const std::byte* state, std::size_t count) const noexcept;

  // Number of outputs before the next input sample that are not released, since they depend on it.
  std::size_t outputs_due(const std::byte* state) const noexcept;

  // Takes `count` samples and writes output_count() outputs. Never throws, allocates or locks; uses
  // about 60 KiB of stack.
  void process(const float* input, std::size_t count, std::byte* state,
               float* output) const noexcept;

  // Number of outputs that are missing for the input so far: ceil(n * out / in) in total.
  std::size_t flush_count(const std::byte* state) const noexcept;

  // Writes flush_count() outputs, as if half_width() zeros followed, and resets the state.
  void flush(std::byte* state, float* output) const noexcept;

 private:
  void feed(const float* input, std::size_t count, std::byte* state, float* output) const noexcept;

  const Level& level_;
  int rate_in_;
  int rate_out_;
  std::vector<float> table_;
  ResamplerPlan plan_{};
  std::size_t state_bytes_ = 0;
};

}  // namespace edgeser
