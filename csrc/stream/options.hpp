#pragma once

#include <optional>

namespace edgeser {

// When an utterance begins and ends, in seconds; rounded to hops.
struct UtteranceRules {
  std::optional<double> speech;  // score in (0, 1) at which a frame is speech
  double onset = 0.25;           // continuous speech that begins an utterance
  double hangover = 0.9;         // silence that ends it
  double longest = 30;           // ends it even without a pause
  bool reset = true;             // ends the sequence with it, so that the next one is judged alone

  bool operator==(const UtteranceRules&) const = default;
};

// Options of a new stream; part of its saved state.
struct StreamOptions {
  bool adapt = true;                        // adapt to the speaker
  std::optional<double> new_speaker_after;  // seconds without speech, then the speaker is forgotten
  std::optional<double> threshold;          // of a detector's score; frames below it have no label
  std::optional<UtteranceRules> rules;      // find utterances
  bool every_hop = false;  // compute hops that sound like the silence before them, too

  bool operator==(const StreamOptions&) const = default;
};

// Throws AudioError for values out of range.
void check_options(const StreamOptions& options);

}  // namespace edgeser
