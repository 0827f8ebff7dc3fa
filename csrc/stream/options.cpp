#include "stream/options.hpp"

#include <cmath>
#include <string>

#include "stream/errors.hpp"

namespace edgeser {
namespace {

constexpr double longest_length = 1e9;  // seconds

void check_threshold(const std::optional<double>& threshold) {
  if (!threshold || (*threshold > 0 && *threshold < 1)) return;
  throw AudioError("the speech threshold is " + text(*threshold) + ": it lies between 0 and 1");
}

void check_length(const char* name, double seconds) {
  if (seconds > 0 && seconds <= longest_length) return;
  throw AudioError(std::string(name) + " is " + text(seconds) +
                   " s: give a length above 0, at most 1e9");
}

}  // namespace

void check_options(const StreamOptions& options) {
  if (options.new_speaker_after) check_length("new_speaker_after", *options.new_speaker_after);
  check_threshold(options.threshold);
  if (!options.rules) return;
  const UtteranceRules& rules = *options.rules;
  check_threshold(rules.speech);
  check_length("onset", rules.onset);
  check_length("hangover", rules.hangover);
  check_length("longest", rules.longest);
  if (rules.longest <= rules.onset) {
    throw AudioError("an utterance of at most " + text(rules.longest) + " s never begins after " +
                     text(rules.onset) + " s: make longest greater than onset");
  }
}

}  // namespace edgeser
