#pragma once

#include <cstddef>
#include <cstdint>

#include "stream/core.hpp"
#include "stream/quiet.hpp"
#include "stream/speaker.hpp"

namespace edgeser {

// What the rules of utterances remember.
struct UtteranceMemory {
  std::int64_t speaking = 0;  // 1 while an utterance goes on
  std::int64_t frames = 0;    // of it, or of the speech that may begin one
  std::int64_t silent = 0;    // the newest of them, without speech
  std::int64_t spoken = 0;    // those with speech
  std::int64_t counted = 0;   // those that count in its verdict
  double first = 0;           // seconds: time of the first
  double last = 0;            // of the newest with speech
};

// The fixed part of what a stream remembers.
struct Memory {
  std::int64_t received = 0;    // samples pushed by the caller
  std::int64_t heard = 0;       // samples after resampling
  std::int64_t frames = 0;      // made
  std::int64_t spoken = 0;      // frames whose gate was open; all these since a flush or reset
  std::int64_t tokens = 0;      // of the running sequence: the position of the rings
  std::int64_t pause = 0;       // hops since the gate was open
  std::int64_t missing = 0;     // samples until the next segment ends, 1..hop
  std::int64_t zeros = 0;       // the newest samples that are exactly 0, up to a segment
  std::int64_t remembered = 0;  // tokens in the gate's memory
  std::int64_t quiet = 0;       // the newest samples pushed that are 0, up to Source::silence()
  std::int64_t muted = 0;       // of the resampler's next outputs are 0: see Source
  double origin = 0;            // seconds that went before `heard`
  UtteranceMemory utterance;
  float level = 0;       // running level, dBFS
  float utterances = 0;  // see SpeakerMemory
  float weight = 0;
  float zero = 0;
};
static_assert(sizeof(Memory) == 168);

// Everything that a stream remembers, in one flat block of bytes, so that it can be kept, saved and
// put back by copying:
//
//     Memory
//     float64 (1 + L)  sums of the verdict on all since a flush
//     float64 (1 + L)  sums of the utterance
//     float32 (C) x 4  the speaker's sum, mean, square, shift
//     float32 (M, C)   the gate's memory, newest first
//     QuietMemory      what the quiet sounds like
//     float32          the newest samples at the model's rate, a segment of them, oldest first
//     bytes            the resampler's own
//     bytes            the rings, see csrc/README.md
//
// Sections start at multiples of 64 bytes. All but the last, the head, are small.
class Layout {
 public:
  Layout(const Core& core, const Resampler& resampler);

  std::size_t head_bytes() const { return rings_; }
  std::size_t bytes() const { return bytes_; }
  // Of a block whose last section is so long.
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
