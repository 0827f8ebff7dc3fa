#pragma once

#include <cstddef>
#include <vector>

namespace edgeser {

// What a stream knows of its speaker; points into the stream's block. All vectors are (C).
struct SpeakerMemory {
  float* utterances;  // U, learned of; a calibration counts as several
  float* weight;      // of what was learned, fixed while a sequence lasts
  float* sum;         // S, of the running sequence's normalised tokens
  float* mean;        // A, of the utterances' means
  float* square;      // B, of their squares
  float* shift;       // taken from tokens, fixed while a sequence lasts
};

// Tokens relative to the stream's own speech: by how much its utterances differ from the
// training's on the average, shrunk towards nothing for few utterances and for a speaker who never
// varied, and bounded. Sums run over C in order, in float32. Immutable.
class Speaker {
 public:
  // Values beyond these are no speech; they are brought back, so that no state can overflow.
  static constexpr float largest_token = 1e6f;
  static constexpr float largest_square = 2e12f;
  static constexpr float most_utterances = 1e9f;

  struct Constants {
    float prior;           // utterances that the training's statistics are worth
    float floor;           // share that counts for a speaker who never varied
    float bound;           // of the shift
    float most;            // utterances that are remembered
    float calibration;     // utterances that a calibration is worth
    std::size_t shortest;  // tokens below which a sequence teaches nothing
  };

  // mean, deviation, between, neutral, known: (C), copied.
  Speaker(std::size_t width, const Constants& constants, const float* mean, const float* deviation,
          const float* between, const float* neutral, const float* known);

  // z = (x - mean) / deviation.
  void normalise(const float* token, float* z) const noexcept;

  // Adds z to the sequence's sum, and writes what the TACN hears of it, which may be z itself.
  void hear(const float* z, const SpeakerMemory& memory, float* heard) const noexcept;

  // A sequence of `tokens` ended: learns of it if `adapt`. The sum is empty afterwards.
  void end(const SpeakerMemory& memory, std::size_t tokens, bool adapt) const noexcept;

  // Forgets the speaker and the sequence.
  void forget(const SpeakerMemory& memory) const noexcept;

  // Learns of neutral speech, whose `tokens` normalised tokens add up to `sum`.
  void calibrate(const SpeakerMemory& memory, const float* sum, std::size_t tokens) const noexcept;

  // Weight and shift, from what was learned.
  void settle(const SpeakerMemory& memory) const noexcept;

 private:
  std::size_t width_;
  Constants constants_;
  std::vector<float> mean_, deviation_, between_, neutral_, known_;
  float mean_between_;
};

}  // namespace edgeser
