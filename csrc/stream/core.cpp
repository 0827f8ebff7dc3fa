#include "stream/core.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>

#include "bundle/front_end.hpp"

namespace edgeser {
namespace {

VqFusionWeights fusion_weights(const Bundle& bundle) {
  const Sizes& s = bundle.manifest.sizes;
  return {s.codes,
          s.code_width,
          s.positions,
          s.deep,
          s.width,
          bundle.tensor("vq.codebook", {s.codes, s.code_width}),
          bundle.tensor("vq.deep_weight", {s.deep, s.width}),
          bundle.tensor("vq.latent_weight", {s.positions * s.code_width, s.width}),
          bundle.tensor("vq.bias", {s.width})};
}

TacnWeights tacn_weights(const Bundle& bundle) {
  const Sizes& s = bundle.manifest.sizes;
  const std::size_t outputs = bundle.manifest.labels.size();
  const std::vector<std::size_t> square{s.layers, s.width, s.width};
  return {s.layers,
          s.width,
          s.taps,
          outputs,
          s.heads,
          bundle.tensor("tacn.query", square),
          bundle.tensor("tacn.key", square),
          bundle.tensor("tacn.value", square),
          bundle.tensor("tacn.output", square),
          bundle.tensor("tacn.taps", {s.layers, s.taps, s.width, s.width}),
          bundle.tensor("tacn.bias", {s.layers, s.width}),
          bundle.tensor("head.weight", {s.width, outputs}),
          bundle.tensor("head.bias", {outputs})};
}

std::vector<std::size_t> dilations(const Sizes& sizes) {
  std::vector<std::size_t> result;
  for (std::size_t n = 0; n < sizes.layers; ++n) result.push_back(std::size_t{1} << n);
  return result;
}

Gate make_gate(const Bundle& bundle) {
  const Sizes& s = bundle.manifest.sizes;
  return {s.width,
          s.gate_hidden,
          s.gate_memory,
          bundle.tensor("gate.weight", {s.gate_memory + 1, s.width, s.gate_hidden}),
          bundle.tensor("gate.bias", {s.gate_hidden}),
          bundle.tensor("gate.out", {s.gate_hidden}),
          *bundle.tensor("gate.out_bias", {1})};
}

Speaker make_speaker(const Bundle& bundle) {
  const std::size_t width = bundle.manifest.sizes.width;
  const SpeakerRules& rules = bundle.manifest.speaker;
  const auto values = [&](const char* name) { return bundle.tensor(name, {width}); };
  const auto most = std::min(static_cast<float>(rules.most), Speaker::most_utterances);
  return {width,
          {.prior = static_cast<float>(rules.prior),
           .floor = static_cast<float>(rules.floor),
           .bound = static_cast<float>(rules.bound),
           .most = most,
           .calibration = static_cast<float>(rules.calibration),
           .shortest = rules.shortest},
          values("speaker.mean"),
          values("speaker.deviation"),
          values("speaker.between"),
          values("speaker.neutral"),
          values("speaker.known")};
}

}  // namespace

Core::Core(const Bundle& bundle, const Level& level, Precision precision, bool projections)
    : front_end(native_front_end(bundle, level, precision)),
      fusion(level, fusion_weights(bundle), precision),
      tacn(level, tacn_weights(bundle), dilations(bundle.manifest.sizes), precision, projections),
      gate(make_gate(bundle)),
      quiet(level, bundle.manifest.sizes),
      speaker(make_speaker(bundle)),
      labels(bundle.manifest.labels),
      sizes(bundle.manifest.sizes),
      thresholds(bundle.manifest.thresholds),
      pause(bundle.manifest.pause),
      adapt(bundle.manifest.speaker.adapt),
      level_initial(static_cast<float>(bundle.manifest.level_initial)),
      hash(bundle.hash) {}

std::shared_ptr<const Resampler> shared_resampler(const Level& level, int rate_in, int rate_out) {
  static std::mutex lock;
  static std::map<std::tuple<const Level*, int, int>, std::weak_ptr<const Resampler>> known;
  const std::tuple rates{&level, rate_in, rate_out};
  {
    const std::lock_guard<std::mutex> held(lock);
    if (auto resampler = known[rates].lock()) return resampler;
  }
  // Some rates take tens of milliseconds. Nobody else waits for them.
  auto made = std::make_shared<const Resampler>(level, rate_in, rate_out);
  const std::lock_guard<std::mutex> held(lock);
  auto& entry = known[rates];
  if (auto resampler = entry.lock()) return resampler;  // somebody was faster
  entry = made;
  return made;
}

}  // namespace edgeser
