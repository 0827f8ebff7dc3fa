#pragma once

#include <cstddef>
#include <vector>

namespace edgeser {

// Speaker statistics in a stream's block. All vectors are (C).
struct SpeakerMemory {
  float* utterances;  // U, number of utterances so far; a calibration counts as several
  float* weight;      // of the statistics, constant during a sequence
  float* sum;         // S, of the current sequence's normalised tokens
  float* mean;        // A, of the utterances' means
  float* square;      // B, of their squares
  float* shift;       // subtracted from tokens, constant during a sequence
};

// Speaker normalisation: subtracts the mean difference between this speaker's utterances and the
// training data's. The difference is bounded, and shrunk towards zero after few utterances, or
// without variation between them. Sums run over C in order, in float32. Immutable.
class Speaker {
 public:
  // Larger values are no speech; they are clamped, so that no state can overflow.
  static constexpr float largest_token = 1e6f;
  static constexpr float largest_square = 2e12f;
  static constexpr float most_utterances = 1e9f;

  struct Constants {
    float prior;           // weight of the training's statistics, in utterances
    float floor;           // least weight for a speaker without variation
    float bound;           // of the shift
    float most;            // utterances that count at most
    float calibration;     // weight of a calibration, in utterances
    std::size_t shortest;  // sequences with fewer tokens are ignored
  };

  // mean, deviation, between, neutral, known: (C), copied.
  Speaker(std::size_t width, const Constants& constants, const float* mean, const float* deviation,
          const float* between, const float* neutral, const float* known);

  // z = (x - mean) / deviation.
  void normalise(const float* token, float* z) const noexcept;

  // Adds z to the sequence's sum, and writes the TACN's input, which may be z itself.
  void hear(const float* z, const SpeakerMemory& memory, float* heard) const noexcept;

  // Ends a sequence of `tokens`: updates the statistics if `adapt`. Clears the sum.
  void end(const SpeakerMemory& memory, std::size_t tokens, bool adapt) const noexcept;

  // Resets the statistics and the sequence.
  void forget(const SpeakerMemory& memory) const noexcept;

  // Learns from neutral speech; `sum` is the sum of its `tokens` normalised tokens.
  void calibrate(const SpeakerMemory& memory, const float* sum, std::size_t tokens) const noexcept;

  // Updates weight and shift.
  void settle(const SpeakerMemory& memory) const noexcept;

 private:
  std::size_t width_;
  Constants constants_;
  std::vector<float> mean_, deviation_, between_, neutral_, known_;
  float mean_between_;
};

}  // namespace edgeser
