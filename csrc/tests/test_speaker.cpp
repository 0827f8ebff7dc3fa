// A stream's speaker statistics, compared with the formulas in float64.
#include "check.hpp"
#include "stream/errors.hpp"
#include "toy_core.hpp"

using namespace edgeser;

namespace {

const std::vector<float>& constant(const char* name) {
  static const Bundle bundle = toy::bundle(true);
  return bundle.tensors.at(name).values;
}

// The statistics after some utterances, computed like in the reference.
struct Reference {
  static constexpr std::size_t width = 16;
  double utterances = 0;
  std::vector<double> mean = std::vector<double>(width), square = mean;

  void hear(const std::vector<std::vector<float>>& tokens) {
    utterances = std::min(utterances + 1, 20.0);
    for (std::size_t c = 0; c < width; ++c) {
      double mu = 0;
      for (const auto& token : tokens) {
        mu += (token[c] - constant("speaker.mean")[c]) / constant("speaker.deviation")[c];
      }
      mu /= static_cast<double>(tokens.size());
      mean[c] += (mu - mean[c]) / utterances;
      square[c] += (mu * mu - square[c]) / utterances;
    }
  }

  double weight() const {
    if (utterances == 0) return 0;
    double varied = 0, between = 0, spread = 0;
    for (std::size_t c = 0; c < width; ++c) {
      varied += std::max(square[c] - mean[c] * mean[c], 0.0) / width;
      between += constant("speaker.between")[c] / double{width};
    }
    if (utterances >= 2) {
      spread = std::min(1.0, varied * utterances / (utterances - 1) / between);
    }
    return utterances / (utterances + 2) * (0.25 + 0.75 * spread);
  }

  double shift(std::size_t c) const { return std::min(std::max(weight() * mean[c], -1.5), 1.5); }
};

}  // namespace

TEST(speaker_is_learned_between_sequences) {
  const auto stream = toy::token_stream(toy::core(true));
  Reference reference;
  Random random(5);
  toy::Told told;
  for (std::size_t utterance = 0; utterance < 25; ++utterance) {
    const auto spoken = toy::tokens(random, 4 + utterance % 3, true);
    const float shift = stream->speaker().shift[2];
    toy::push_tokens(*stream, spoken, -30, told);
    CHECK(stream->speaker().shift[2] == shift);  // constant during a sequence
    toy::push_tokens(*stream, toy::tokens(random, 8, false), -60, told);
    reference.hear(spoken);
    CHECK_NEAR(*stream->speaker().utterances, reference.utterances, 1e-4);
    CHECK_NEAR(*stream->speaker().weight, reference.weight(), 1e-4);
    for (std::size_t c = 0; c < Reference::width; ++c) {
      CHECK_NEAR(stream->speaker().shift[c], reference.shift(c), 1e-4);
    }
  }
  // Three tokens are too few.
  toy::push_tokens(*stream, toy::tokens(random, 3, true), -30, told);
  toy::push_tokens(*stream, toy::tokens(random, 8, false), -60, told);
  CHECK_NEAR(*stream->speaker().weight, reference.weight(), 1e-4);
}

TEST(speaker_shift_and_known_reach_the_tacn) {
  const auto core = toy::core(true);
  const auto stream = toy::token_stream(core);
  Random random(9);
  toy::Told told;
  toy::push_tokens(*stream, toy::tokens(random, 6, true), -30, told);
  toy::push_tokens(*stream, toy::tokens(random, 8, false), -60, told);
  Workspace scratch(*core, 1);
  Stream* const one = stream.get();
  const std::vector<float> samples(128, 0.25f);
  const Chunk given = toy::chunk(samples.data(), samples.size());
  Turn turn(*core, &one, &given, 1, Stream::Kind::process, scratch);
  turn.collect(1);
  const auto token = toy::token(random, true);
  const float level = -30, weight = *stream->speaker().weight;
  CHECK(weight > 0.05f);
  turn.tokens(token.data(), &level);
  for (std::size_t c = 0; c < 16; ++c) {
    const float z = (token[c] - constant("speaker.mean")[c]) / constant("speaker.deviation")[c];
    const float heard = z - stream->speaker().shift[c] + weight * constant("speaker.known")[c];
    CHECK_NEAR(turn.heard()[c], heard, 1e-6f);
  }
}

TEST(speaker_is_forgotten) {
  const auto core = toy::core(true);
  StreamOptions options;
  options.new_speaker_after = 0.4;  // 25 hops
  const auto stream = toy::token_stream(core, options), never = toy::token_stream(core);
  Random random(3);
  toy::Told told;
  for (Stream* const s : {stream.get(), never.get()}) {
    toy::push_tokens(*s, toy::tokens(random, 6, true), -30, told);
    toy::push_tokens(*s, toy::tokens(random, 24, false), -60, told);
    CHECK(*s->speaker().utterances == 1);
    toy::push_tokens(*s, toy::tokens(random, 1000, false), -60, told);
  }
  CHECK(*stream->speaker().utterances == 0 && *stream->speaker().weight == 0);
  CHECK(*never->speaker().utterances == 1);
  toy::push_tokens(*never, toy::tokens(random, 6, true), -30, told);
  never->new_speaker();
  CHECK(*never->speaker().utterances == 0 && never->memory().tokens == 0);
  CHECK(never->speaker().shift[3] == 0 && never->speaker().sum[3] == 0);
}

TEST(speaker_is_calibrated_with_neutral_speech) {
  const auto core = toy::core(true);
  const auto stream = toy::token_stream(core), apart = toy::token_stream(core);
  Workspace scratch(*core, 1);
  Random random(4);
  const auto calibrate = [&](std::size_t count) {
    apart->reset();
    const std::vector<float> samples(count * 128, 0.25f);
    Stream* const one = apart.get();
    const Chunk given = toy::chunk(samples.data(), samples.size());
    std::vector<double> mean(16);
    Turn turn(*core, &one, &given, 1, Stream::Kind::calibrate, scratch);
    const float level = -30;
    while (turn.collect(1) > 0) {
      const auto token = toy::token(random, true);
      CHECK_EQUAL(turn.tokens(token.data(), &level), 0u);
      for (std::size_t c = 0; c < 16; ++c) {
        mean[c] += (token[c] - constant("speaker.mean")[c]) / constant("speaker.deviation")[c] /
                   static_cast<double>(count);
      }
    }
    turn.finish();
    stream->calibrate(*apart);
    return mean;
  };
  const auto before = toy::saved(*stream);
  CHECK_ERROR(calibrate(62), "less than 1 s of speech");
  CHECK(toy::saved(*stream) == before);
  const std::vector<double> mean = calibrate(63);
  const SpeakerMemory speaker = stream->speaker();
  CHECK(*speaker.utterances == 10);
  // As much variation as between speakers: the weight depends on the utterances alone, up to
  // rounding.
  CHECK_NEAR(*speaker.weight, 10.0 / 12, 1e-4);
  for (std::size_t c = 0; c < 16; ++c) {
    const double a = mean[c] - constant("speaker.neutral")[c];
    CHECK_NEAR(speaker.mean[c], a, 1e-5);
    CHECK_NEAR(speaker.square[c], a * a + 0.3, 1e-5);
  }
  StreamOptions still;
  still.adapt = false;
  const auto deaf = toy::token_stream(core, still);
  CHECK_ERROR(deaf->calibrate(*apart), "does not adapt");
}
