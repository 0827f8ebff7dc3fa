#include "resampler/resampler.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "error.hpp"
#include "resampler/design.hpp"
#include "state.hpp"

namespace edgeser {
namespace {

// If there are more phases, they are interpolated with an error below -110 dB. This limits the size
// of the table and the time to build it, for any pair of rates.
constexpr std::size_t max_table_phases = 1024;

// The longest filter, from 384000 to 4000 Hz, has about 9600 taps.
constexpr std::size_t max_taps = 10240;
constexpr std::size_t block_samples = 4096;

int checked_rate(const char* name, int rate) {
  if (rate < Resampler::min_rate || rate > Resampler::max_rate) {
    throw Error(std::string(name) + " must be " + std::to_string(Resampler::min_rate) + ".." +
                std::to_string(Resampler::max_rate) + " Hz, not " + std::to_string(rate));
  }
  return rate;
}

float* history(std::byte* state) { return reinterpret_cast<float*>(state + state_header_bytes); }

}  // namespace

// The state block: the counter is the number n of samples received, followed by the last T of them.
// Output m needs the samples up to floor(m * M / L) + H, so m outputs are complete once n > H + (m
// - 1) * M / L. Subtracting M from n and L from m changes nothing; this keeps n below M + H.

Resampler::Resampler(const Level& level, int rate_in, int rate_out)
    : level_(level),
      rate_in_(checked_rate("rate_in", rate_in)),
      rate_out_(checked_rate("rate_out", rate_out)) {
  const int common = std::gcd(rate_in, rate_out);
  plan_.up = static_cast<std::size_t>(rate_out / common);
  plan_.down = static_cast<std::size_t>(rate_in / common);
  if (plan_.up == plan_.down) return;
  const auto design = ResamplerDesign::for_ratio(static_cast<double>(rate_out) / rate_in);
  plan_.taps = 2 * design.half_width;
  plan_.table_phases = std::min(plan_.up, max_table_phases);
  if (plan_.taps > max_taps) throw Error("the ratio of the rates is too large");
  table_ = design.table(plan_.table_phases);
  plan_.table = table_.data();
  state_bytes_ = state_header_bytes + plan_.taps * sizeof(float);
}

void Resampler::check_state(const std::byte* state) const {
  if (state_bytes_ == 0) return;
  std::byte* const block = const_cast<std::byte*>(state);
  check_state_blocks("state", &block, 1, state_bytes_);
  if (static_cast<std::size_t>(state_counter(state)) >= plan_.down + half_width()) {
    throw Error(
        "state: not a state of a resampler of these rates; use zero bytes for a fresh state");
  }
}

namespace {

// Number of outputs before input sample `end`: those m with m * M / L < end.
std::size_t outputs_before(const ResamplerPlan& plan, std::size_t end) {
  return (end * plan.up + plan.down - 1) / plan.down;
}

// Number of outputs released after `received` samples.
std::size_t released(const ResamplerPlan& plan, std::size_t received) {
  const std::size_t half = plan.taps / 2;
  return received > half ? outputs_before(plan, received - half) : 0;
}

}  // namespace

std::size_t Resampler::output_count(const std::byte* state, std::size_t count) const noexcept {
  if (state_bytes_ == 0) return count;
  const auto received = static_cast<std::size_t>(state_counter(state));
  return released(plan_, received + count) - released(plan_, received);
}

std::size_t Resampler::outputs_due(const std::byte* state) const noexcept {
  if (state_bytes_ == 0) return 0;
  const auto received = static_cast<std::size_t>(state_counter(state));
  return outputs_before(plan_, received) - released(plan_, received);
}

std::size_t Resampler::flush_count(const std::byte* state) const noexcept {
  return state_bytes_ == 0 ? 0 : output_count(state, half_width());
}

void Resampler::process(const float* input, std::size_t count, std::byte* state,
                        float* output) const noexcept {
  if (state_bytes_ == 0) {
    if (count > 0) std::memcpy(output, input, count * sizeof(float));
    return;
  }
  while (count > 0) {
    const std::size_t part = std::min(count, block_samples);
    const std::size_t outputs = output_count(state, part);
    feed(input, part, state, output);
    input += part;
    count -= part;
    output += outputs;
  }
}

void Resampler::feed(const float* input, std::size_t count, std::byte* state,
                     float* output) const noexcept {
  float window[max_taps + block_samples];
  std::memcpy(window, history(state), plan_.taps * sizeof(float));
  std::memcpy(window + plan_.taps, input, count * sizeof(float));

  // window[i] is input sample received - T + i; the first output at floor(m M / L) = n0 reads from
  // n0 - H + 1 on.
  auto received = static_cast<std::size_t>(state_counter(state));
  const std::size_t first = released(plan_, received);
  const std::size_t outputs = output_count(state, count);
  if (outputs > 0) {
    const std::size_t position = first * plan_.down;
    const std::size_t start = position / plan_.up + half_width() + 1 - received;
    level_.resample(plan_, window + start, position % plan_.up, outputs, output);
  }

  std::memcpy(history(state), window + count, plan_.taps * sizeof(float));
  received += count;
  if (received >= half_width() + plan_.down) {
    received = half_width() + (received - half_width()) % plan_.down;
  }
  set_state_counter(state, static_cast<std::int64_t>(received));
}

void Resampler::flush(std::byte* state, float* output) const noexcept {
  if (state_bytes_ == 0) return;
  const float zeros[block_samples] = {};
  for (std::size_t left = half_width(); left > 0;) {
    const std::size_t part = std::min(left, block_samples);
    const std::size_t outputs = output_count(state, part);
    feed(zeros, part, state, output);
    output += outputs;
    left -= part;
  }
  std::memset(state, 0, state_bytes_);
}

}  // namespace edgeser
