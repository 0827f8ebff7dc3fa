#pragma once

#include <optional>

namespace edgeser {

// When an utterance begins and ends, in seconds, which are rounded to hops.
struct UtteranceRules {
  std::optional<double> speech;  // score in (0, 1) at which a frame is speech
  double onset = 0.25;           // so much speech without a gap begins an utterance
  double hangover = 0.9;         // so much silence ends it
  double longest = 30;           // it is ended here even if nobody pauses
  bool reset = true;             // the sequence ends with it, so that the next is judged by itself

  bool operator==(const UtteranceRules&) const = default;
};

// What a stream is opened with; part of its saved state.
struct StreamOptions {
  bool adapt = true;                        // learn the speaker
  std::optional<double> new_speaker_after;  // seconds without speech, then the speaker is forgotten
  std::optional<double> threshold;          // of a detector's score: below it there is no label
  std::optional<UtteranceRules> rules;      // cut utterances
  bool every_hop = false;                   // the gate hears hops like the quiet before them too

  bool operator==(const StreamOptions&) const = default;
};

// Throws AudioError for options that no stream can work with.
void check_options(const StreamOptions& options);

}  // namespace edgeser
