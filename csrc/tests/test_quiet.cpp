// Hops that sound like the silence before them: which of them must be computed, and that nothing
// else changes.
#include <cmath>
#include <cstddef>
#include <limits>

#include "bundle/sha256.hpp"
#include "check.hpp"
#include "stream/errors.hpp"
#include "toy_core.hpp"

using namespace edgeser;

namespace {

constexpr std::size_t hop = 128;
constexpr auto enough = std::size_t{4};  // the toy's gate depends on three earlier tokens
constexpr auto most = static_cast<std::size_t>(Quiet::most_passed);

// The same hop repeatedly.
std::vector<float> steady(std::size_t hops, float loud = 0.01f) {
  Random random(1);
  const std::vector<float> one = random.floats(hop, loud);
  std::vector<float> samples;
  for (std::size_t i = 0; i < hops; ++i) samples.insert(samples.end(), one.begin(), one.end());
  return samples;
}

// Number of hops of `steady` that are skipped first: as many as the rule allows, less the samples
// above the one before, of a hop and the half window before it, modulo.
std::size_t first_run() {
  constexpr std::size_t half_window = 32;  // of 8 ms at 8 kHz
  const std::vector<float> heard = steady(2);
  std::size_t rising = 0;
  for (std::size_t i = hop - half_window + 1; i < 2 * hop; ++i) rising += heard[i] > heard[i - 1];
  return most - rising % (most + 1);
}

std::vector<float> scaled(std::vector<float> samples, float by) {
  for (float& sample : samples) sample *= by;
  return samples;
}

// Number of these hops that must be computed, with the same answer for each.
std::size_t read(Stream& stream, const std::vector<float>& samples, bool open = false) {
  Workspace scratch(stream.core(), 1);
  Random random(2);
  Stream* const one = &stream;
  const Chunk given = toy::chunk(samples.data(), samples.size());
  Turn turn(stream.core(), &one, &given, 1, Stream::Kind::process, scratch);
  const float level = -60;
  std::size_t count = 0;
  while (turn.collect(1) > 0) {
    ++count;
    if (turn.tokens(toy::token(random, open).data(), &level) > 0) turn.step();
  }
  turn.finish();
  return count;
}

std::unique_ptr<Stream> settled(const StreamOptions& options = {}) {
  auto stream = toy::stream(toy::core(true), 8000, options);
  CHECK_EQUAL(read(*stream, steady(enough + first_run() + 2)), enough + 1);
  return stream;
}

}  // namespace

TEST(quiet_is_read_now_and_then) {
  const auto stream = toy::stream(toy::core(true));
  CHECK_EQUAL(read(*stream, steady(enough)), enough);
  CHECK_EQUAL(read(*stream, steady(first_run())), 0u);
  CHECK_EQUAL(read(*stream, steady(1)), 1u);
  CHECK_EQUAL(read(*stream, steady(most)), 0u);
  CHECK_EQUAL(read(*stream, steady(10 * (most + 1))), 10u);
  const std::size_t frames = enough + first_run() + 11 * most + 11;
  CHECK_EQUAL(stream->memory().frames, static_cast<std::int64_t>(frames));
}

TEST(quiet_of_different_rooms_is_not_read_at_the_same_moments) {
  std::vector<std::size_t> seen(most + 1);
  Random random(8);
  for (std::size_t room = 0; room < 64 * seen.size(); ++room) {
    std::vector<float> sound = random.floats(hop, 0.01f);
    const std::vector<float> one = sound;
    for (std::size_t i = 1; i < enough + most + 1; ++i) {
      sound.insert(sound.end(), one.begin(), one.end());
    }
    const auto stream = toy::stream(toy::core(true));
    std::size_t run = 0;  // hops that are skipped first
    CHECK_EQUAL(read(*stream, {sound.begin(), sound.begin() + hop * enough}), enough);
    while (read(*stream, one) == 0) ++run;
    CHECK(run <= most);
    seen[run] += 1;
  }
  for (const std::size_t count : seen) CHECK(count > 20);  // 64 on average
}

TEST(quiet_is_left_at_once) {
  const auto passes = [](const std::vector<float>& samples) {
    return read(*settled(), samples) == 0;
  };
  CHECK(passes(steady(1)));
  CHECK(passes(scaled(steady(1), 1.4f)) && !passes(scaled(steady(1), 1.43f)));
  CHECK(passes(scaled(steady(1), 0.72f)) && !passes(scaled(steady(1), 0.6f)));
  std::vector<float> onset = steady(1), tone = steady(1);
  for (std::size_t i = 96; i < hop; ++i) onset[i] *= 3;
  CHECK(!passes(onset));
  for (std::size_t i = 0; i < hop; ++i) tone[i] += 0.01f * std::sin(0.4f * static_cast<float>(i));
  CHECK(!passes(tone));
}

TEST(quiet_has_no_level) {
  for (const float gain : {1e-6f, 0.1f, 50.0f}) {
    const auto stream = toy::stream(toy::core(true));
    CHECK_EQUAL(read(*stream, scaled(steady(enough + most + 1), gain)), enough + 1);
  }
}

TEST(quiet_has_to_be_heard_again_when_something_was_between) {
  const auto again = [](auto between) {
    const auto stream = settled();
    between(*stream);
    return read(*stream, steady(enough + 3));
  };
  CHECK_EQUAL(again([](Stream&) {}), 0u);
  CHECK_EQUAL(again([](Stream& s) { s.new_speaker(); }), enough);
  CHECK_EQUAL(again([](Stream& s) { s.reset(); }), enough);
  CHECK_EQUAL(again([](Stream& s) { read(s, std::vector<float>(5 * hop)); }), enough);
  // The first hop after a loud one still contains its end.
  CHECK_EQUAL(again([](Stream& s) { read(s, steady(1, 0.1f), true); }), enough + 1);
  CHECK_EQUAL(again([](Stream& s) { read(s, steady(1, 0.1f)); }), enough + 1);  // a door slams
}

TEST(quiet_is_heard_anew_when_a_sequence_ends) {
  const auto stream = toy::stream(toy::core(true));
  CHECK_EQUAL(read(*stream, steady(5, 0.1f), true), 5u);
  CHECK_EQUAL(read(*stream, steady(8)), enough + 1);  // a pause of 8 hops resets the level
  CHECK_EQUAL(stream->memory().tokens, 0);
  CHECK_EQUAL(read(*stream, steady(8)), enough);
}

TEST(quiet_is_not_what_utterances_take_for_speech) {
  StreamOptions options;
  options.rules = UtteranceRules{.speech = 0.001};  // the gate's score of a refused token is 0.007
  const auto stream = toy::stream(toy::core(true), 8000, options);
  CHECK_EQUAL(read(*stream, steady(20)), 20u);
}

TEST(quiet_frames_repeat_what_was_heard) {
  const auto stream = settled();
  CHECK_EQUAL(read(*stream, steady(3)), 0u);
  const Results& r = stream->results();
  CHECK_EQUAL(r.frames.size(), 3u);
  for (const Frame& frame : r.frames) {
    CHECK(frame.level == -60.0f && frame.label == no_label && !frame.open);
    CHECK(toy::same(frame.speech, stream->layout().quiet(stream->block()).speech));
    CHECK(frame.speech > 0);
  }
  CHECK_NEAR(r.frames[2].time - r.frames[0].time, 2 * 0.016, 1e-9);
}

TEST(quiet_hops_are_all_read_where_that_is_asked_for) {
  StreamOptions options;
  options.every_hop = true;
  const auto stream = toy::stream(toy::core(true), 8000, options);
  CHECK_EQUAL(read(*stream, steady(40)), 40u);
}

TEST(quiet_is_the_same_in_every_chunk_and_kernel) {
  std::vector<float> samples = toy::sound(3, 3000);
  for (const float loud : {0.01f, 0.001f}) {
    const std::vector<float> quiet = steady(40, loud), more = toy::sound(4, 1000);
    samples.insert(samples.end(), quiet.begin(), quiet.end());
    samples.insert(samples.end(), more.begin(), more.end());
  }
  toy::Told whole;
  const auto once = toy::stream(toy::core());
  toy::push(*once, samples, whole);
  for (const Level* const level : usable_levels()) {
    const auto core = std::make_shared<const Core>(toy::bundle(false), *level);
    for (const std::size_t piece : {7u, 128u, 333u}) {
      toy::Told told;
      const auto stream = toy::stream(core);
      for (std::size_t at = 0; at < samples.size(); at += piece) {
        toy::push(*stream, &samples[at], std::min(piece, samples.size() - at), told);
      }
      CHECK(toy::same(whole, told));
      CHECK(toy::saved(*stream) == toy::saved(*once));
    }
  }
}

TEST(quiet_is_undone_and_saved) {
  const auto stream = settled();
  CHECK_EQUAL(read(*stream, steady(6)), 0u);
  const auto before = toy::saved(*stream);
  {
    Workspace scratch(stream->core(), 1);
    Stream* const one = stream.get();
    const std::vector<float> samples = steady(5);
    const Chunk given = toy::chunk(samples.data(), samples.size());
    Turn turn(stream->core(), &one, &given, 1, Stream::Kind::process, scratch);
    CHECK_EQUAL(turn.collect(1), 0u);  // skipped, and never finished
  }
  CHECK(toy::saved(*stream) == before);
  const auto other = toy::resumed(before, toy::core(true));
  CHECK_EQUAL(read(*stream, steady(most - 7)), 0u);
  CHECK_EQUAL(read(*other, steady(most - 7)), 0u);
  CHECK_EQUAL(read(*stream, steady(1)), 1u);
  CHECK_EQUAL(read(*other, steady(1)), 1u);
  CHECK(toy::saved(*stream) == toy::saved(*other));
}

TEST(quiet_of_a_detector_is_heard_again_without_it) {
  struct Never final : Detector {
    double score(const float*, std::size_t) override { return 0; }
  };
  StreamOptions options;
  options.rules = UtteranceRules{.speech = 0.001};  // below the gate's score of a refused token
  Stream stream(toy::core(true), 8000, options, std::make_shared<Never>());
  CHECK_EQUAL(read(stream, steady(enough + 2)), enough);
  const auto saved = toy::saved(stream);
  const auto same =
      load_stream(toy::core(true), saved.data(), saved.size(), std::make_shared<Never>());
  CHECK_EQUAL(read(*same, steady(1)), 0u);
  const auto other = toy::resumed(saved, toy::core(true));
  CHECK_EQUAL(read(*other, steady(20)), 20u);
}

TEST(quiet_that_nobody_heard_is_refused) {
  const auto stream = settled();
  const auto good = toy::saved(*stream);
  const auto place = reinterpret_cast<std::byte*>(&stream->layout().quiet(stream->block()));
  const auto begin = 120 + static_cast<std::size_t>(place - stream->block());  // behind the head
  const auto load = [&](std::size_t at, auto value) {
    auto bytes = good;
    std::memcpy(&bytes[begin + at], &value, sizeof value);
    const std::size_t body = bytes.size() - sizeof(Digest);
    const Digest digest = sha256({reinterpret_cast<const char*>(bytes.data()), body});
    std::memcpy(&bytes[body], digest.data(), sizeof digest);
    toy::resumed(bytes, toy::core(true));
  };
  load(offsetof(QuietMemory, passed), std::int64_t{Quiet::most_passed});
  const char* const wrong = "contradicts itself";
  CHECK_ERROR(load(offsetof(QuietMemory, passed), std::int64_t{Quiet::most_passed + 1}), wrong);
  CHECK_ERROR(load(offsetof(QuietMemory, refused), std::int64_t{3}), wrong);  // and one passed
  CHECK_ERROR(load(offsetof(QuietMemory, refused), std::int64_t{0}), wrong);
  CHECK_ERROR(load(offsetof(QuietMemory, refused), std::int64_t{5}), wrong);
  CHECK_ERROR(load(offsetof(QuietMemory, speech), 0.7f), wrong);  // the gate would be open
  CHECK_ERROR(load(offsetof(QuietMemory, level), 1e9f), wrong);
  CHECK_ERROR(load(offsetof(QuietMemory, heard), -1.0f), wrong);
  CHECK_ERROR(load(offsetof(QuietMemory, heard) + 60, std::numeric_limits<float>::quiet_NaN()),
              wrong);
}
