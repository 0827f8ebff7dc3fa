// Writes the results of a call to a C caller's arrays.
#include "capi/results.hpp"

#include <algorithm>
#include <string>

#include "capi/guard.hpp"

namespace edgeser {
namespace {

void check_one(const char* name, std::size_t count, std::size_t room, const void* array) {
  if (count > room) {
    throw Error("there is room for " + std::to_string(room) + " " + name + " and " +
                std::to_string(count) + " would come: see edgeser_stream_most_frames");
  }
  if (count > 0) require_pointer(array, name);
}

std::int32_t why_of(Event::Why why) noexcept {
  switch (why) {
    case Event::Why::silence:
      return EDGESER_BY_SILENCE;
    case Event::Why::longest:
      return EDGESER_BY_LENGTH;
    case Event::Why::flush:
      break;
  }
  return EDGESER_BY_FLUSH;
}

}  // namespace

void check_room(const Stream& stream, const edgeser_results& results) {
  check_one("frames", stream.results().frames.size(), results.frame_room, results.frames);
  check_one("events", stream.results().events.size(), results.event_room, results.events);
}

edgeser_verdict verdict_of(const Verdict& verdict) noexcept {
  return {verdict.duration, verdict.speech, verdict.confidence, verdict.label};
}

void write_results(const Stream& stream, edgeser_results& results) noexcept {
  const Results& from = stream.results();
  const std::size_t labels = stream.core().labels.size();
  for (std::size_t i = 0; i < from.frames.size(); ++i) {
    const Frame& frame = from.frames[i];
    results.frames[i] = {frame.time, frame.confidence, frame.speech, frame.level, frame.label};
  }
  for (std::size_t i = 0; i < from.events.size(); ++i) {
    const Event& event = from.events[i];
    const bool ended = event.kind == Event::Kind::ended;
    results.events[i] = {ended ? EDGESER_ENDED : EDGESER_STARTED,
                         ended ? why_of(event.why) : 0,
                         event.frame,
                         event.start,
                         event.end,
                         event.frames,
                         verdict_of(event.verdict)};
  }
  results.frame_count = from.frames.size();
  results.event_count = from.events.size();
  if (results.probabilities != nullptr) {
    std::copy_n(from.probabilities.begin(), from.frames.size() * labels, results.probabilities);
  }
  if (results.event_probabilities != nullptr) {
    std::copy_n(from.event_probabilities.begin(), from.events.size() * labels,
                results.event_probabilities);
  }
}

}  // namespace edgeser
