#pragma once

#include <cstddef>
#include <cstdint>

#include "stream/core.hpp"
#include "stream/quiet.hpp"
#include "stream/speaker.hpp"

namespace edgeser {

// State of the endpointing rules.
struct UtteranceMemory {
  std::int64_t speaking = 0;  // 1 during an utterance
  std::int64_t frames = 0;    // of the utterance, or of the speech that may begin one
  std::int64_t silent = 0;    // the newest of them that are not speech
  std::int64_t spoken = 0;    // those that are speech
  std::int64_t counted = 0;   // those that count for the verdict
  double first = 0;           // seconds: time of the first
  double last = 0;            // time of the newest with speech
};

// The part of a stream's state that has a fixed size.
struct Memory {
  std::int64_t received = 0;    // samples pushed by the caller
  std::int64_t heard = 0;       // samples after resampling
  std::int64_t frames = 0;      // produced
  std::int64_t spoken = 0;      // frames with an open gate; both since the last flush or reset
  std::int64_t tokens = 0;      // of the current sequence: the position in the rings
  std::int64_t pause = 0;       // hops since the gate was last open
  std::int64_t missing = 0;     // samples until the next segment ends, 1..hop
  std::int64_t zeros = 0;       // the newest samples that are exactly 0, at most a segment
  std::int64_t remembered = 0;  // tokens in the gate's memory
  std::int64_t quiet = 0;       // the newest samples received that are 0, at most Source::silence()
  std::int64_t muted = 0;       // the resampler's next outputs that are set to 0: see Source
  double origin = 0;            // seconds before `heard`
  UtteranceMemory utterance;
  float level = 0;       // running level, dBFS
  float utterances = 0;  // see SpeakerMemory
  float weight = 0;
  float zero = 0;
};
static_assert(sizeof(Memory) == 168);

// The whole state of a stream, in one flat block of bytes, so that it is saved and restored by
// copying:
//
//     Memory
//     float64 (1 + L)  sums of the verdict since the last flush
//     float64 (1 + L)  sums of the current utterance
//     float32 (C) x 4  the speaker's sum, mean, square, shift
//     float32 (M, C)   the gate's memory, newest first
//     QuietMemory      how recent silence sounds
//     float32          the newest segment of samples at the model's rate, oldest first
//     bytes            the resampler's state
//     bytes            the rings, see csrc/README.md
//
// Sections start at multiples of 64 bytes. All except the last, which together are the head, are
// small.
class Layout {
 public:
  Layout(const Core& core, const Resampler& resampler);

  std::size_t head_bytes() const { return rings_; }
  std::size_t bytes() const { return bytes_; }
  // Size of a block whose last section has this length.
  std::size_t bytes_with(std::size_t rings) const { return rings_ + (rings + 63) / 64 * 64; }

  Memory& memory(std::byte* block) const { return *reinterpret_cast<Memory*>(block); }
  double* sums(std::byte* block) const { return reinterpret_cast<double*>(block + sums_); }
  double* utterance_sums(std::byte* block) const {
    return reinterpret_cast<double*>(block + utterance_sums_);
  }
  SpeakerMemory speaker(std::byte* block) const;
  float* gate(std::byte* block) const { return floats(block, gate_); }
  QuietMemory& quiet(std::byte* block) const {
    return *reinterpret_cast<QuietMemory*>(block + quiet_);
  }
  float* tail(std::byte* block) const { return floats(block, tail_); }
  std::byte* resampler(std::byte* block) const { return block + resampler_; }
  std::byte* rings(std::byte* block) const { return block + rings_; }

 private:
  static float* floats(std::byte* block, std::size_t at) {
    return reinterpret_cast<float*>(block + at);
  }

  std::size_t width_;
  std::size_t sums_, utterance_sums_, speaker_, gate_, quiet_, tail_, resampler_, rings_, bytes_;
};

}  // namespace edgeser
