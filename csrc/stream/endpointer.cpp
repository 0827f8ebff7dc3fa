#include "stream/endpointer.hpp"

#include <algorithm>
#include <cmath>

namespace edgeser {
namespace {

std::int64_t hops(double seconds, double hop) {
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::nearbyint(seconds / hop)));
}

}  // namespace

Endpointer::Endpointer(const Core& core, const UtteranceRules& rules, double speech)
    : labels_(core.labels.size()),
      hop_(core.hop_seconds()),
      threshold_(rules.speech.value_or(speech)),
      verdict_{core.thresholds.confidence, core.thresholds.utterance} {
  StreamOptions options;
  options.rules = rules;
  check_options(options);
  onset_ = hops(rules.onset, hop_);
  hangover_ = hops(rules.hangover, hop_);
  longest_ = std::max(onset_ + 1, hops(rules.longest, hop_));
}

bool Endpointer::hear(const Frame& frame, const float* probabilities, UtteranceMemory& memory,
                      double* sums, Event& event, float* verdict) const noexcept {
  const bool spoken = double{frame.speech} >= threshold_;
  if (!memory.speaking && !spoken) {
    memory = {};
    std::fill_n(sums, 1 + labels_, 0.0);
    return false;
  }
  if (memory.frames == 0) memory.first = frame.time;
  memory.frames += 1;
  memory.silent = spoken ? 0 : memory.silent + 1;
  if (spoken) {
    memory.last = frame.time;
    memory.spoken += 1;
    if (frame.open) {
      memory.counted += 1;
      add_to_verdict(sums, probabilities, labels_, frame.speech, memory.counted);
    }
  }
  if (!memory.speaking) {
    if (memory.frames < onset_) return false;
    memory.speaking = 1;
    event = {.kind = Event::Kind::started,
             .why = {},
             .frame = 0,
             .start = start(memory),
             .end = frame.time,
             .frames = memory.frames,
             .verdict = {}};
    return true;
  }
  if (memory.silent >= hangover_) {
    end(Event::Why::silence, memory, sums, event, verdict);
    return true;
  }
  if (memory.frames >= longest_) {
    end(Event::Why::longest, memory, sums, event, verdict);
    return true;
  }
  return false;
}

bool Endpointer::flush(UtteranceMemory& memory, double* sums, Event& event,
                       float* verdict) const noexcept {
  const bool speaking = memory.speaking != 0;
  if (speaking) end(Event::Why::flush, memory, sums, event, verdict);
  memory = {};
  std::fill_n(sums, 1 + labels_, 0.0);
  return speaking;
}

double Endpointer::start(const UtteranceMemory& memory) const noexcept {
  return std::max(0.0, memory.first - hop_);
}

void Endpointer::end(Event::Why why, UtteranceMemory& memory, double* sums, Event& event,
                     float* verdict) const noexcept {
  const double from = start(memory);
  event = {.kind = Event::Kind::ended,
           .why = why,
           .frame = 0,
           .start = from,
           .end = memory.last,
           .frames = memory.frames - memory.silent,
           .verdict = conclude(sums, labels_, verdict_, memory.last - from,
                               static_cast<double>(memory.spoken) * hop_, verdict)};
  memory = {};
  std::fill_n(sums, 1 + labels_, 0.0);
}

}  // namespace edgeser
