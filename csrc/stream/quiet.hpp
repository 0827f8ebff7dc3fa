#pragma once

#include <cstddef>
#include <cstdint>

#include "bundle/manifest.hpp"
#include "front_end/spectrogram.hpp"
#include "simd/level.hpp"

namespace edgeser {

constexpr std::size_t quiet_bands = 8;

// What a hop sounds like to a rough ear: power by band.
struct Impression {
  float loudest[quiet_bands];  // of the hop's parts
  float mean[quiet_bands];     // over the hop
};

// What the rule remembers of the quiet that it goes by.
struct QuietMemory {
  std::int64_t refused = 0;  // hops in a row that the gate heard and refused, up to enough()
  std::int64_t passed = 0;   // hops since the last of them, which sounded like them
  float speech = 0;          // of the last that the gate heard
  float level = 0;
  Impression heard{};  // of all that were refused: the most of the loudest, the least of the mean
};
static_assert(sizeof(QuietMemory) == 88);

// A hop that sounds like the quiet before it needs no second look:
//
//     where the gate has refused M + 1 hops in a row that sound alike, as many as a score of it
//     hears, the next that sounds like them is refused as well, without a token
//
// It sounds alike if in no band any part of it is louder than the loudest part of these hops, nor
// the whole of it softer than the softest of them, by more than a factor. At most so many hops are
// passed; then the gate hears one again. All is relative to what was heard, so gain does not
// matter. Immutable.
class Quiet {
 public:
  static constexpr float factor = 2;               // 3 dB
  static constexpr std::int64_t most_passed = 15;  // 2 s of 128 ms

  Quiet(const Level& level, const Sizes& sizes);

  // Whether the model's hops are neither too short nor too long for it.
  bool usable() const { return usable_; }

  // Hops that the gate has to refuse first.
  std::int64_t enough() const { return enough_; }

  // Of a segment's newest hop.
  Impression listen(const float* segment) const noexcept;

  bool sounds_alike(const Impression& hop, const QuietMemory& memory) const noexcept;

  // Takes up a hop that the gate refused.
  void refuse(const Impression& hop, float speech, float level, QuietMemory& memory) const noexcept;

 private:
  static constexpr std::size_t parts = 4;

  Spectrogram spectrogram_;
  const Level& level_;
  std::size_t start_;  // of the frames, in a segment
  std::int64_t enough_;
  bool usable_;
};

}  // namespace edgeser
