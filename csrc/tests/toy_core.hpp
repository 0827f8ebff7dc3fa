#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "random.hpp"
#include "stream/saved.hpp"
#include "stream/turn.hpp"

// A small model with random weights, and helpers for tests of its streams.
namespace toy {

using namespace edgeser;

// If `plain`, its gate opens exactly for tokens whose first value is above 0.5; otherwise it is a
// random network.
inline Bundle bundle(bool plain) {
  Bundle b;
  Manifest& m = b.manifest;
  m.labels = {"a", "b", "c"};
  m.sizes = {.sample_rate = 8000,
             .segment = 264,
             .hop = 128,
             .deep = 12,
             .positions = 4,
             .code_width = 8,
             .codes = 8,
             .width = 16,
             .layers = 3,
             .heads = 4,
             .taps = 3,
             .gate_hidden = 8,
             .gate_memory = 3};
  Network n{};
  n.wide = {{{2, 3}, {1, 1}, true}};
  n.encoder = {{{3, 16}, {0, 0}, false}};
  n.spectrogram_window = 64;
  n.spectrogram_hop = 50;
  n.rise = 0.5;
  n.fall = 0.005;
  n.fall_limit = 30;
  n.headroom = 10;
  n.quietest = -140;
  n.dynamic_range = 50;
  n.first_bin = 2;
  m.network = n;
  m.level_initial = -1000;
  m.thresholds = {.speech = 0.5, .confidence = 0.34, .utterance = 0.1};
  m.pause = 8;
  m.speaker = {.adapt = true,
               .prior = 2,
               .floor = 0.25,
               .bound = 1.5,
               .most = 20,
               .shortest = 4,
               .calibration = 10};
  b.hash.fill(7);
  Random random(3);
  const auto add = [&](const std::string& name, std::vector<std::size_t> shape, float scale) {
    std::size_t count = 1;
    for (const std::size_t side : shape) count *= side;
    b.tensors[name] = {std::move(shape), random.floats(count, scale)};
  };
  add("frontend.wide.0.weight", {3, 4, 1, 6}, 0.5f);
  add("frontend.wide.0.bias", {6}, 0.1f);
  add("frontend.encoder.0.weight", {2, 2, 1, 8}, 1);
  add("frontend.encoder.0.bias", {8}, 0.1f);
  add("frontend.head.weight", {198, 12}, 0.2f);
  add("frontend.head.bias", {12}, 0.1f);
  for (const auto& [name, shape] : tensor_shapes(m.sizes, m.labels.size())) {
    add(name, shape, shape.size() > 1 ? 0.4f : 0.1f);
  }
  for (float& value : b.tensors["speaker.deviation"].values) value = 0.8f;
  for (float& value : b.tensors["speaker.between"].values) value = 0.3f;
  for (float& value : b.tensors["gate.out"].values) value *= 20;
  if (plain) {
    auto& weight = b.tensors["gate.weight"].values;
    auto& out = b.tensors["gate.out"].values;
    std::fill(weight.begin(), weight.end(), 0.0f);
    std::fill(out.begin(), out.end(), 0.0f);
    b.tensors["gate.bias"].values[0] = 0;
    weight[0] = 1;
    out[0] = 10;
    b.tensors["gate.out_bias"].values[0] = -5;
  }
  return b;
}

inline std::shared_ptr<const Core> core(bool plain = false) {
  static const auto random = std::make_shared<const Core>(bundle(false));
  static const auto simple = std::make_shared<const Core>(bundle(true));
  return plain ? simple : random;
}

inline std::unique_ptr<Stream> stream(const std::shared_ptr<const Core>& of, int rate = 8000,
                                      const StreamOptions& options = {}) {
  return std::make_unique<Stream>(of, rate, options);
}

// A stream whose gate gets every hop, for tokens that are pushed directly; the audio itself is
// constant.
inline std::unique_ptr<Stream> token_stream(const std::shared_ptr<const Core>& of,
                                            StreamOptions options = {}) {
  options.every_hop = true;
  return stream(of, 8000, options);
}

inline Chunk chunk(const float* samples, std::size_t count) {
  return {.data = reinterpret_cast<const std::byte*>(samples), .samples = count};
}

// All results of a stream, and its verdict after a flush.
struct Told {
  std::vector<Frame> frames;
  std::vector<float> probabilities;
  std::vector<Event> events;
  Verdict verdict{};

  void add(const Stream& stream) {
    const Results& r = stream.results();
    frames.insert(frames.end(), r.frames.begin(), r.frames.end());
    probabilities.insert(probabilities.end(), r.probabilities.begin(), r.probabilities.end());
    events.insert(events.end(), r.events.begin(), r.events.end());
  }
};

inline bool same(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

// Whether the bits are the same, starting with these frames; times differ by `shift` seconds.
inline bool same(const Told& a, const Told& b, std::size_t skip_a = 0, std::size_t skip_b = 0,
                 double shift = 0) {
  if (a.frames.size() - skip_a != b.frames.size() - skip_b) return false;
  const std::size_t labels = core()->labels.size();
  for (std::size_t i = 0; i + skip_a < a.frames.size(); ++i) {
    const Frame &x = a.frames[i + skip_a], &y = b.frames[i + skip_b];
    if (std::abs(x.time - shift - y.time) > 1e-12 || !same(x.speech, y.speech) ||
        !same(x.level, y.level) || !same(x.confidence, y.confidence) || x.label != y.label) {
      return false;
    }
    for (std::size_t l = 0; l < labels; ++l) {
      if (!same(a.probabilities[(i + skip_a) * labels + l],
                b.probabilities[(i + skip_b) * labels + l])) {
        return false;
      }
    }
  }
  return true;
}

inline void push(Stream& stream, const float* samples, std::size_t count, Told& told) {
  static Workspace scratch(*core(), 4);
  Stream* const one = &stream;
  const Chunk given = chunk(samples, count);
  Turn turn(stream.core(), &one, &given, 1, Stream::Kind::process, scratch);
  turn.run();
  turn.finish();
  told.add(stream);
}

inline void push(Stream& stream, const std::vector<float>& samples, Told& told) {
  push(stream, samples.data(), samples.size(), told);
}

inline void flush(Stream& stream, Told& told) {
  static Workspace scratch(*core(), 1);
  Stream* const one = &stream;
  Turn turn(stream.core(), &one, nullptr, 1, Stream::Kind::flush, scratch);
  turn.run();
  turn.finish();
  told.add(stream);
  told.verdict = stream.verdict();
}

inline std::vector<std::byte> saved(Stream& stream) {
  std::vector<std::byte> bytes(saved_size(stream));
  save_stream(stream, bytes.data());
  return bytes;
}

inline std::shared_ptr<Stream> resumed(const std::vector<std::byte>& bytes,
                                       const std::shared_ptr<const Core>& of) {
  return load_stream(of, bytes.data(), bytes.size(), nullptr);
}

// Noise of changing level and colour, with pauses of digital silence.
inline std::vector<float> sound(std::uint32_t seed, std::size_t count) {
  Random random(seed);
  std::vector<float> samples;
  while (samples.size() < count) {
    const std::size_t length = 100 + static_cast<std::size_t>(random.uniform(0, 3000));
    const float loud = random.uniform(0, 0.5f), smooth = random.uniform(0, 0.95f);
    const bool silent = random.uniform(0, 1) < 0.25f;
    float last = 0;
    for (std::size_t i = 0; i < length; ++i) {
      last = smooth * last + (1 - smooth) * random.uniform(-loud, loud);
      samples.push_back(silent ? 0.0f : last);
    }
  }
  samples.resize(count);
  return samples;
}

// Pushes tokens directly, one per hop, as another engine would.
inline void push_tokens(Stream& stream, const std::vector<std::vector<float>>& tokens, float level,
                        Told& told) {
  const Core& core = stream.core();
  Workspace scratch(core, 1);
  const std::vector<float> samples(tokens.size() * core.sizes.hop, 0.25f);
  Stream* const one = &stream;
  const Chunk given = chunk(samples.data(), samples.size());
  Turn turn(core, &one, &given, 1, Stream::Kind::process, scratch);
  for (const auto& token : tokens) {
    turn.collect(1);
    if (turn.tokens(token.data(), &level) > 0) turn.step();
  }
  turn.collect(1);
  turn.finish();
  told.add(stream);
}

// A random token that opens the plain gate, or does not.
inline std::vector<float> token(Random& random, bool open) {
  std::vector<float> values = random.floats(core()->sizes.width);
  values[0] = open ? 1.0f : 0.0f;
  return values;
}

inline std::vector<std::vector<float>> tokens(Random& random, std::size_t count, bool open) {
  std::vector<std::vector<float>> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(token(random, open));
  return result;
}

}  // namespace toy
