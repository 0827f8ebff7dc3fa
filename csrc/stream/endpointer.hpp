#pragma once

#include <cstdint>
#include <vector>

#include "stream/core.hpp"
#include "stream/frame.hpp"
#include "stream/layout.hpp"
#include "stream/options.hpp"
#include "stream/verdict.hpp"

namespace edgeser {

// An event of the endpointing rules, after a frame.
struct Event {
  enum class Kind : std::int32_t { started, ended };
  enum class Why : std::int32_t { silence, longest, flush };
  Kind kind;
  Why why;              // the reason for its end
  std::size_t frame;    // frames that the call had produced by then
  double start, end;    // seconds
  std::int64_t frames;  // started: frames of it so far; ended: all of its frames
  Verdict verdict;      // if it ended; its probabilities (L) are stored elsewhere
};

// Endpointing: finds where utterances begin and end, from speech scores with an onset and a
// hangover time, and computes their verdicts. Immutable; the caller owns its memory.
class Endpointer {
 public:
  // `speech` is the default threshold of the speech score. Throws AudioError.
  Endpointer(const Core& core, const UtteranceRules& rules, double speech);

  double threshold() const { return threshold_; }

  // Processes the next frame. Returns true if it causes an event. Writes the verdict's
  // probabilities (L) if an utterance ended.
  bool hear(const Frame& frame, const float* probabilities, UtteranceMemory& memory, double* sums,
            Event& event, float* verdict) const noexcept;

  // Ends the stream.
  bool flush(UtteranceMemory& memory, double* sums, Event& event, float* verdict) const noexcept;

 private:
  void end(Event::Why why, UtteranceMemory& memory, double* sums, Event& event,
           float* verdict) const noexcept;
  double start(const UtteranceMemory& memory) const noexcept;

  std::size_t labels_;
  double hop_;
  double threshold_;
  VerdictRules verdict_;
  std::int64_t onset_, hangover_, longest_;  // hops
};

}  // namespace edgeser
