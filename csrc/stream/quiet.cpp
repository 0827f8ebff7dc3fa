#include "stream/quiet.hpp"

#include <algorithm>
#include <array>

namespace edgeser {
namespace {

constexpr std::size_t most_frames = 128;
constexpr std::size_t most_bins = 192;  // of 8 ms at 48 kHz

// First bin of each band, and one past the last; a bin is 125 Hz wide. Bands are a few harmonics
// wide up to 1 kHz, and a third of an octave or more above: speech above noise shows as one or two
// harmonics, or as a hiss. The last band extends to the end. Bin 0 (offset and rumble) is not part
// of a spectrogram.
constexpr std::array<std::size_t, quiet_bands> first_bins{1, 3, 5, 8, 12, 18, 26, 40};

// 8 ms, for bins of 125 Hz. Folding needs a multiple of 4; the step is half of it.
std::size_t window_of(const Sizes& sizes) {
  return std::min(sizes.sample_rate / 125, sizes.segment) / 8 * 8;
}

// Samples that the frames cover: the hop and half a window before it, so that no sample is missed.
std::size_t span_of(const Sizes& sizes) {
  const std::size_t window = window_of(sizes);
  return std::min(sizes.segment, std::max(window, sizes.hop + window / 2));
}

}  // namespace

Quiet::Quiet(const Level& level, const Sizes& sizes)
    : spectrogram_(level, window_of(sizes), window_of(sizes) / 2, span_of(sizes)),
      level_(level),
      start_(sizes.segment - span_of(sizes)),
      end_(sizes.segment),
      enough_(static_cast<std::int64_t>(sizes.gate_memory) + 1) {
  const SpectrogramPlan& plan = spectrogram_.plan();
  usable_ = plan.frames >= parts && plan.frames <= most_frames && plan.bins <= most_bins;
}

Impression Quiet::listen(const float* segment) const noexcept {
  const SpectrogramPlan& plan = spectrogram_.plan();
  alignas(64) float power[most_frames * most_bins];
  level_.spectrum(plan, segment + start_, power);
  Impression heard{};
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t first = part * plan.frames / parts, end = (part + 1) * plan.frames / parts;
    float sum[most_bins] = {};
    for (std::size_t frame = first; frame < end; ++frame) {
      const float* const from = power + frame * plan.bins;
      for (std::size_t bin = 0; bin < plan.bins; ++bin) sum[bin] += from[bin];
    }
    for (std::size_t band = 0; band < quiet_bands; ++band) {
      const std::size_t after = band + 1 < quiet_bands ? first_bins[band + 1] : plan.bins + 1;
      float total = 0;
      for (std::size_t bin = first_bins[band]; bin < std::min(after, plan.bins + 1); ++bin) {
        total += sum[bin - 1];  // the map begins with bin 1
      }
      heard.mean[band] += total / static_cast<float>(plan.frames);
      heard.loudest[band] = std::max(heard.loudest[band], total / static_cast<float>(end - first));
    }
  }
  return heard;
}

bool Quiet::sounds_alike(const Impression& hop, const QuietMemory& memory) const noexcept {
  for (std::size_t band = 0; band < quiet_bands; ++band) {
    if (!(hop.loudest[band] <= memory.heard.loudest[band] * factor)) return false;
    if (!(hop.mean[band] * factor >= memory.heard.mean[band])) return false;
  }
  return true;
}

std::int64_t Quiet::first_passed(const float* segment) const noexcept {
  std::int64_t rising = 0;
  for (std::size_t i = start_ + 1; i < end_; ++i) rising += segment[i] > segment[i - 1] ? 1 : 0;
  return rising % (most_passed + 1);
}

void Quiet::refuse(const Impression& hop, const float* segment, float speech, float level,
                   QuietMemory& memory) const noexcept {
  if (memory.refused == 0 || !sounds_alike(hop, memory)) {
    memory = {.refused = 1, .passed = 0, .speech = speech, .level = level, .heard = hop};
    return;
  }
  memory.passed = 0;
  memory.speech = speech;
  memory.level = level;
  if (memory.refused == enough_) return;  // constant from here on, otherwise it would drift
  memory.refused += 1;
  for (std::size_t band = 0; band < quiet_bands; ++band) {
    memory.heard.loudest[band] = std::max(memory.heard.loudest[band], hop.loudest[band]);
    memory.heard.mean[band] = std::min(memory.heard.mean[band], hop.mean[band]);
  }
  if (memory.refused == enough_) memory.passed = first_passed(segment);
}

}  // namespace edgeser
