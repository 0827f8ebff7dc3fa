#pragma once

#include <cstdint>
#include <vector>

#include "stream/core.hpp"
#include "stream/frame.hpp"
#include "stream/layout.hpp"
#include "stream/options.hpp"
#include "stream/verdict.hpp"

namespace edgeser {

// What the rules of utterances say after a frame.
struct Event {
  enum class Kind : std::int32_t { started, ended };
  enum class Why : std::int32_t { silence, longest, flush };
  Kind kind;
  Why why;              // it ended
  std::size_t frame;    // how many frames the call had brought by then
  double start, end;    // seconds
  std::int64_t frames;  // started: the newest that belong to it; ended: its first, all that it has
  Verdict verdict;      // of one that ended; the probabilities (L) lie elsewhere
};

// Speech between two silences: where an utterance begins, where it ends, and what it was. A score
// of speech decides, with a little patience at both ends. Immutable; what it remembers belongs to
// the caller.
class Endpointer {
 public:
  // `speech` is the score at which a frame is speech if the rules do not say. Throws AudioError.
  Endpointer(const Core& core, const UtteranceRules& rules, double speech);

  double threshold() const { return threshold_; }

  // The next frame. True if it brings an event. Writes the verdict's probabilities (L) if an
  // utterance ended.
  bool hear(const Frame& frame, const float* probabilities, UtteranceMemory& memory, double* sums,
            Event& event, float* verdict) const noexcept;

  // The end of the stream.
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
