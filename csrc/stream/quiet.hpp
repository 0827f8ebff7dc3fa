#pragma once

#include <cstddef>
#include <cstdint>

#include "bundle/manifest.hpp"
#include "front_end/spectrogram.hpp"
#include "simd/level.hpp"

namespace edgeser {

constexpr std::size_t quiet_bands = 8;

// A rough spectrum of a hop: power by band.
struct Impression {
  float loudest[quiet_bands];  // largest over the hop's parts
  float mean[quiet_bands];     // over the hop
};

// State of the rule: the silence that hops are compared with.
struct QuietMemory {
  std::int64_t refused = 0;  // consecutive hops that the gate computed and refused, up to enough()
  std::int64_t passed = 0;   // hops skipped since the last of them, or first_passed() more
  float speech = 0;          // score of the last hop that the gate computed
  float level = 0;
  Impression heard{};  // over refused hops: largest of `loudest`, smallest of `mean`
};
static_assert(sizeof(QuietMemory) == 88);

// Skips hops that sound like the silence before them:
//
//     once the gate has refused M + 1 similar hops in a row, as many as one score depends on,
//     the next similar hop is refused without computing its token
//
// A hop is similar if, in every band, its loudest part is not louder than the loudest part of these
// hops, and its mean not lower than the lowest mean of them, by more than a factor. After
// `most_passed` skipped hops, the gate computes one again. Everything is relative to the signal, so
// gain does not matter.
//
// The first time it skips fewer, by a number that the sound gives. Streams that began together, as
// after a restart, would otherwise all be computed at the same moment, every 2 s. Immutable.
class Quiet {
 public:
  static constexpr float factor = 2;               // 3 dB
  static constexpr std::int64_t most_passed = 15;  // 2 s of 128 ms

  Quiet(const Level& level, const Sizes& sizes);

  // Whether the rule supports the hop length of the model.
  bool usable() const { return usable_; }

  // Number of hops that the gate has to refuse first.
  std::int64_t enough() const { return enough_; }

  // The spectrum of a segment's newest hop.
  Impression listen(const float* segment) const noexcept;

  bool sounds_alike(const Impression& hop, const QuietMemory& memory) const noexcept;

  // Number of hops, at most `most_passed`, by which the first run of skipped ones is shorter: how
  // many samples of a segment's newest hop are above the one before, modulo. It differs from room
  // to room, and does not depend on gain.
  std::int64_t first_passed(const float* segment) const noexcept;

  // Adds a segment's newest hop, which the gate refused.
  void refuse(const Impression& hop, const float* segment, float speech, float level,
              QuietMemory& memory) const noexcept;

 private:
  static constexpr std::size_t parts = 4;

  Spectrogram spectrogram_;
  const Level& level_;
  std::size_t start_, end_;  // of the frames' samples within a segment
  std::int64_t enough_;
  bool usable_;
};

}  // namespace edgeser
