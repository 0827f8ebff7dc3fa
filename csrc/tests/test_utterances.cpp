// The endpointing rules, frame by frame, and what they end within a stream.
#include "check.hpp"
#include "stream/errors.hpp"
#include "toy_core.hpp"

using namespace edgeser;

namespace {

constexpr double hop = 128.0 / 8000;

// Onset 2 hops, hangover 3, at most 10; speech from 0.5.
UtteranceRules rules() {
  return {.speech = 0.5, .onset = 2 * hop, .hangover = 3 * hop, .longest = 10 * hop};
}

// Only the rules: scores in tenths, one per hop; label 1 is the most likely.
struct Rules {
  Endpointer endpointer{*toy::core(), rules(), 0.9};
  UtteranceMemory memory;
  std::vector<double> sums = std::vector<double>(4);
  std::vector<Event> events;
  float verdict[3] = {};
  double time = 0;

  void hear(const char* tenths, bool open = true) {
    const float probabilities[] = {0.2f, 0.7f, 0.1f};
    for (; *tenths != '\0'; ++tenths) {
      time += hop;
      const Frame frame{.time = time,
                        .confidence = 0.7f,
                        .speech = static_cast<float>(*tenths - '0') / 10,
                        .level = -30,
                        .label = 1,
                        .open = open};
      Event event;
      if (endpointer.hear(frame, probabilities, memory, sums.data(), event, verdict)) {
        events.push_back(event);
      }
    }
  }

  bool flush() {
    Event event;
    const bool ended = endpointer.flush(memory, sums.data(), event, verdict);
    if (ended) events.push_back(event);
    return ended;
  }
};

}  // namespace

TEST(utterances_begin_after_an_onset_and_end_after_a_hangover) {
  Rules r;
  r.hear("009090");  // one hop of speech is a click
  CHECK(r.events.empty());
  r.hear("99");
  CHECK_EQUAL(r.events.size(), 1u);
  CHECK(r.events[0].kind == Event::Kind::started && r.events[0].frames == 2);
  CHECK_NEAR(r.events[0].start, 6 * hop, 1e-12);
  r.hear("900900");  // a pause of two hops does not end it
  CHECK_EQUAL(r.events.size(), 1u);
  r.hear("0");
  CHECK_EQUAL(r.events.size(), 2u);
  const Event& ended = r.events[1];
  CHECK(ended.kind == Event::Kind::ended && ended.why == Event::Why::silence);
  CHECK_NEAR(ended.start, 6 * hop, 1e-12);
  CHECK_NEAR(ended.end, 12 * hop, 1e-12);
  CHECK_EQUAL(ended.frames, 6);
  CHECK_NEAR(ended.verdict.speech, 4 * hop, 1e-12);
  CHECK_NEAR(ended.verdict.duration, 6 * hop, 1e-12);
  CHECK_NEAR(r.verdict[1], 0.7f, 1e-6f);
  CHECK(ended.verdict.label == no_label);  // less than 0.1 s of speech
  CHECK(!r.flush());
}

TEST(utterances_end_when_they_are_long_and_at_the_end) {
  Rules r;
  r.hear("9999999999");
  CHECK_EQUAL(r.events.size(), 2u);
  CHECK(r.events[1].why == Event::Why::longest && r.events[1].frames == 10);
  CHECK(r.events[1].verdict.label == 1);
  r.hear("99990");
  CHECK(r.flush());
  CHECK(r.events.back().why == Event::Why::flush && r.events.back().frames == 4);
  CHECK_NEAR(r.events.back().end, 14 * hop, 1e-12);
  CHECK(!r.flush());
  r.hear("9");
  CHECK(!r.flush());  // no onset
  r.hear("9");
  CHECK(r.memory.frames == 1);  // and nothing of it remains
}

TEST(utterances_are_judged_by_open_frames_alone) {
  Rules r;
  r.hear("99999999", false);
  CHECK(r.flush());
  CHECK(r.events.back().verdict.label == no_label && r.events.back().verdict.confidence == 0);
  CHECK_NEAR(r.events.back().verdict.speech, 8 * hop, 1e-12);
}

TEST(utterances_rules_are_checked) {
  const auto bad = [](auto change) {
    UtteranceRules changed = rules();
    change(changed);
    Endpointer(*toy::core(), changed, 0.5);
  };
  bad([](UtteranceRules&) {});
  CHECK_ERROR(bad([](UtteranceRules& r) { r.speech = 1; }), "between 0 and 1");
  CHECK_ERROR(bad([](UtteranceRules& r) { r.onset = 0; }), "onset is 0 s");
  CHECK_ERROR(bad([](UtteranceRules& r) { r.hangover = -1; }), "hangover is -1 s");
  CHECK_ERROR(bad([](UtteranceRules& r) { r.longest = r.onset; }), "longest greater than onset");
  CHECK(Endpointer(*toy::core(), {}, 0.7).threshold() == 0.7);
}

TEST(utterances_end_sequences_in_their_stream) {
  for (const bool reset : {true, false}) {
    StreamOptions options;
    options.rules = rules();
    options.rules->reset = reset;
    const auto stream = toy::token_stream(toy::core(true), options);
    Random random(1);
    toy::Told told;
    toy::push_tokens(*stream, toy::tokens(random, 5, true), -30, told);
    CHECK(stream->speaking());
    toy::push_tokens(*stream, toy::tokens(random, 3, false), -30, told);
    CHECK(!stream->speaking());
    CHECK_EQUAL(told.events.size(), 2u);
    CHECK_EQUAL(told.events[1].frame, 3u);
    CHECK_EQUAL(stream->memory().tokens, reset ? 0 : 5);
    CHECK(*stream->speaker().utterances == (reset ? 1.0f : 0.0f));
  }
}

TEST(utterances_are_timed_since_the_stream_began) {
  StreamOptions options;
  options.rules = rules();
  const auto stream = toy::token_stream(toy::core(true), options);
  Random random(1);
  toy::Told told;
  toy::push_tokens(*stream, toy::tokens(random, 5, true), -30, told);
  toy::flush(*stream, told);
  CHECK(told.events[1].why == Event::Why::flush);
  stream->skip(2);
  toy::push_tokens(*stream, toy::tokens(random, 5, true), -30, told);
  CHECK_NEAR(told.events[2].start, 5 * hop + 2, 1e-9);
  CHECK_ERROR(stream->skip(-1), "0 s or more");
  // Without rules a flush ends everything.
  const auto plain = toy::token_stream(toy::core(true));
  toy::push_tokens(*plain, toy::tokens(random, 5, true), -30, told);
  toy::flush(*plain, told);
  toy::push_tokens(*plain, toy::tokens(random, 1, true), -30, told);
  CHECK_NEAR(told.frames.back().time, hop, 1e-12);
}

namespace {

// Returns the given scores, hop by hop, and then throws.
class Script final : public Detector {
 public:
  explicit Script(std::vector<double> scores) : scores_(std::move(scores)) {}
  double score(const float*, std::size_t count) override {
    CHECK_EQUAL(count, 128u);
    if (at_ == scores_.size()) throw Error("no more");
    return scores_[at_++];
  }

 private:
  std::vector<double> scores_;
  std::size_t at_ = 0;
};

}  // namespace

TEST(utterances_go_by_a_detector) {
  StreamOptions options;
  options.rules = rules();
  options.threshold = 0.6;
  options.every_hop = true;
  const auto detector = std::make_shared<Script>(std::vector<double>{0.1, 0.55, 0.7, 0.1, 2});
  Stream stream(toy::core(true), 8000, options, detector);
  Random random(1);
  toy::Told told;
  toy::push_tokens(stream, toy::tokens(random, 4, true), -30, told);
  CHECK_NEAR(told.frames[1].speech, 0.55f, 1e-6f);
  CHECK(told.frames[1].label == no_label && told.frames[2].label != no_label);
  CHECK_EQUAL(told.events.size(), 1u);
  const auto before = toy::saved(stream);
  CHECK_ERROR(toy::push_tokens(stream, toy::tokens(random, 1, true), -30, told), "outside 0 to 1");
  CHECK_ERROR(toy::push_tokens(stream, toy::tokens(random, 1, true), -30, told), "no more");
  CHECK(toy::saved(stream) == before);
}
