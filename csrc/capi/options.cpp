// Converts a C caller's options.
#include "capi/options.hpp"

#include "capi/guard.hpp"

namespace edgeser {
namespace {

class CDetector final : public Detector {
 public:
  explicit CDetector(const edgeser_detector& detector) : detector_(detector) {}

  double score(const float* hop, std::size_t count) override {
    return detector_.score(detector_.user, hop, count);
  }

 private:
  edgeser_detector detector_;
};

// 0 means unspecified.
std::optional<double> given(double value) {
  return value == 0 ? std::nullopt : std::optional<double>(value);
}

}  // namespace

StreamOptions options_from(const Core& core, const edgeser_options* options) {
  edgeser_options defaults;
  edgeser_options_init(&defaults);
  const edgeser_options& o = options != nullptr ? *options : defaults;
  require(o.every_hop == 0 || o.every_hop == 1, "options: every_hop must be 1 or 0");
  require(o.adapt >= -1 && o.adapt <= 1, "options: adapt must be 1, 0, or -1 for the bundle's");
  StreamOptions result{.adapt = o.adapt < 0 ? core.adapt : o.adapt != 0,
                       .new_speaker_after = given(o.new_speaker_after),
                       .threshold = given(o.threshold),
                       .rules = std::nullopt,
                       .every_hop = o.every_hop != 0};
  if (o.utterances != 0) {
    result.rules = {.speech = given(o.speech),
                    .onset = o.onset,
                    .hangover = o.hangover,
                    .longest = o.longest,
                    .reset = o.reset != 0};
  }
  return result;
}

std::shared_ptr<Detector> detector_from(const edgeser_detector* detector) {
  if (detector == nullptr) return nullptr;
  require(detector->score != nullptr, "detector: score must not be NULL");
  return std::make_shared<CDetector>(*detector);
}

}  // namespace edgeser

void edgeser_options_init(edgeser_options* options) {
  if (options == nullptr) return;
  const edgeser::UtteranceRules rules;
  *options = {.adapt = -1,
              .new_speaker_after = 0,
              .utterances = 0,
              .speech = 0,
              .onset = rules.onset,
              .hangover = rules.hangover,
              .longest = rules.longest,
              .reset = rules.reset,
              .detector = nullptr,
              .threshold = 0,
              .every_hop = 1};
}
