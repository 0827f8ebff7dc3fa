// The C API, as an application uses it.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "check.hpp"
#include "edgeser.h"
#include "random.hpp"

namespace {

struct Close {
  void operator()(edgeser_model* model) const { edgeser_model_close(model); }
  void operator()(edgeser_stream* stream) const { edgeser_stream_close(stream); }
};
using Model = std::unique_ptr<edgeser_model, Close>;
using Stream = std::unique_ptr<edgeser_stream, Close>;

const edgeser_model* shipped() {
  static const Model model = [] {
    edgeser_model* opened;
    edgeser_error error;
    CHECK(edgeser_model_open(EDGESER_TEST_BUNDLE, &opened, &error) == EDGESER_OK);
    CHECK(error.message[0] == '\0');
    return Model(opened);
  }();
  return model.get();
}

Stream listening(std::size_t rate, const edgeser_options* options = nullptr) {
  edgeser_stream* stream;
  CHECK(edgeser_stream_open(shipped(), rate, options, &stream, nullptr) == EDGESER_OK);
  return Stream(stream);
}

// Arrays for the results of a call.
struct Room {
  std::vector<edgeser_frame> frames;
  std::vector<edgeser_event> events;
  std::vector<float> probabilities, event_probabilities;
  edgeser_results results{};

  explicit Room(std::size_t most) : frames(most), events(most + 1) {
    const std::size_t labels = edgeser_model_label_count(shipped());
    probabilities.resize(most * labels);
    event_probabilities.resize((most + 1) * labels);
    results = {frames.data(), probabilities.data(),       most,     0,
               events.data(), event_probabilities.data(), most + 1, 0};
  }
};

// All results of a stream for some audio.
struct Told {
  std::vector<edgeser_frame> frames;
  std::vector<edgeser_event> events;
  std::vector<float> probabilities;
  edgeser_verdict verdict{};

  void add(const Room& room) {
    const std::size_t labels = edgeser_model_label_count(shipped());
    const edgeser_results& r = room.results;
    frames.insert(frames.end(), r.frames, r.frames + r.frame_count);
    events.insert(events.end(), r.events, r.events + r.event_count);
    probabilities.insert(probabilities.end(), r.probabilities,
                         r.probabilities + r.frame_count * labels);
  }

  bool operator==(const Told& other) const {
    return probabilities == other.probabilities && frames.size() == other.frames.size() &&
           std::memcmp(frames.data(), other.frames.data(), frames.size() * sizeof frames[0]) == 0 &&
           events.size() == other.events.size() &&
           std::memcmp(&verdict, &other.verdict, sizeof verdict) == 0;
  }
};

void push(const Stream& stream, const std::vector<float>& sound, std::size_t size, Told& told) {
  for (std::size_t at = 0; at < sound.size(); at += size) {
    const std::size_t count = std::min(size, sound.size() - at);
    Room room(edgeser_stream_most_frames(stream.get(), count));
    CHECK(edgeser_stream_process(stream.get(), &sound[at], count, 1, &room.results, nullptr) ==
          EDGESER_OK);
    told.add(room);
  }
}

Told heard(const Stream& stream, const std::vector<float>& sound, std::size_t size) {
  Told told;
  push(stream, sound, size, told);
  Room room(edgeser_stream_most_frames(stream.get(), 0));
  CHECK(edgeser_stream_flush(stream.get(), &room.results, &told.verdict, nullptr, nullptr) ==
        EDGESER_OK);
  told.add(room);
  return told;
}

std::vector<char> saved(const Stream& stream) {
  std::vector<char> bytes(edgeser_stream_saved_size(stream.get()));
  CHECK(edgeser_stream_save(stream.get(), bytes.data(), bytes.size(), nullptr) == EDGESER_OK);
  return bytes;
}

// The call must fail with this status and this message.
#define CHECK_FAILS(call, wanted, fragment)                                            \
  {                                                                                    \
    edgeser_error error;                                                               \
    std::memset(&error, 'x', sizeof error);                                            \
    CHECK((call) == (wanted));                                                         \
    error.message[sizeof error.message - 1] = '\0';                                    \
    if (std::string(error.message).find(fragment) == std::string::npos)                \
      check::fail(__FILE__, __LINE__, std::string("another error: ") + error.message); \
  }

}  // namespace

TEST(capi_says_what_a_model_is) {
  const edgeser_model* const m = shipped();
  CHECK(std::string(edgeser_model_name(m)) == "default");
  CHECK(std::strlen(edgeser_model_hash(m)) == 64);
  CHECK(std::strlen(edgeser_model_licence(m)) > 0 && std::strlen(edgeser_model_version(m)) > 0);
  CHECK(edgeser_model_label_count(m) == 4);
  CHECK(std::string(edgeser_model_label(m, 0)) == "neutral" && !edgeser_model_label(m, 4));
  CHECK(edgeser_model_notice_count(m) > 0 && edgeser_model_notice(m, 0));
  CHECK(!edgeser_model_notice(m, edgeser_model_notice_count(m)));
  CHECK(edgeser_model_sample_rate(m) == 16'000 && edgeser_model_hop(m) == 2048);
  CHECK(edgeser_model_segment(m) == 4224 && edgeser_model_receptive_field(m) > 100);
  CHECK(edgeser_model_width(m) >= 64);
  CHECK(std::strlen(edgeser_model_simd(m)) > 3);
  CHECK(std::string(edgeser_status_name(EDGESER_BUSY)) == "EDGESER_BUSY");
  CHECK(std::string(edgeser_status_name(static_cast<edgeser_status>(7))) == "unknown");
  CHECK(std::string(edgeser_version()) == std::to_string(EDGESER_VERSION_MAJOR) + "." +
                                              std::to_string(EDGESER_VERSION_MINOR) + "." +
                                              std::to_string(EDGESER_VERSION_PATCH));
}

TEST(capi_null_is_answered) {
  CHECK(!edgeser_model_name(nullptr) && !edgeser_model_label(nullptr, 0));
  CHECK(edgeser_model_hop(nullptr) == 0 && edgeser_stream_saved_size(nullptr) == 0);
  CHECK(edgeser_stream_most_frames(nullptr, 9) == 0 && edgeser_stream_until_frame(nullptr) == 0);
  edgeser_model_close(nullptr);
  edgeser_stream_close(nullptr);
  CHECK_FAILS(edgeser_model_open(EDGESER_TEST_BUNDLE, nullptr, &error), EDGESER_BAD_ARGUMENT,
              "model must not be NULL");
  edgeser_model* model = const_cast<edgeser_model*>(shipped());
  CHECK_FAILS(edgeser_model_open(nullptr, &model, &error), EDGESER_BAD_ARGUMENT, "path");
  CHECK(model == nullptr);
  CHECK_FAILS(edgeser_model_open_memory(nullptr, 9, &model, &error), EDGESER_BAD_ARGUMENT, "bytes");
  edgeser_stream* stream;
  CHECK_FAILS(edgeser_stream_open(nullptr, 16000, nullptr, &stream, &error), EDGESER_BAD_ARGUMENT,
              "model");
  CHECK_FAILS(edgeser_stream_reset(nullptr, &error), EDGESER_BAD_ARGUMENT, "must not be NULL");
  Room room(1);
  CHECK_FAILS(edgeser_stream_process(nullptr, nullptr, 0, 1, &room.results, &error),
              EDGESER_BAD_ARGUMENT, "stream");
  const Stream open = listening(16000);
  CHECK_FAILS(edgeser_stream_process(open.get(), nullptr, 5, 1, &room.results, &error),
              EDGESER_BAD_ARGUMENT, "samples");
  CHECK_FAILS(edgeser_stream_process(open.get(), nullptr, 0, 1, nullptr, &error),
              EDGESER_BAD_ARGUMENT, "results");
  CHECK(edgeser_stream_process(open.get(), nullptr, 0, 1, &room.results, nullptr) == EDGESER_OK);
}

TEST(capi_names_bad_bundles) {
  edgeser_model* model;
  CHECK_FAILS(edgeser_model_open("/there/is/none", &model, &error), EDGESER_BAD_BUNDLE,
              "/there/is/none: there is no such file");
  CHECK_FAILS(edgeser_model_open("/", &model, &error), EDGESER_BAD_BUNDLE, "is a folder");
  CHECK_FAILS(edgeser_model_open_memory("hello", 5, &model, &error), EDGESER_BAD_BUNDLE,
              "is not a bundle");
  // Messages that do not fit lose their middle, never a part of a character, and not the reason.
  for (const std::size_t first : {150u, 151u}) {
    std::string path = "/";
    for (int i = 0; i < 4; ++i) path += std::string(first, 'a') + "/";
    for (int i = 0; i < 60; ++i) path += "\xc3\xa4";
    path += first % 2 == 0 ? "/" : "b/";
    for (int i = 0; i < 100; ++i) path += "\xc3\xa4";
    edgeser_error error;
    CHECK(edgeser_model_open(path.c_str(), &model, &error) == EDGESER_BAD_BUNDLE);
    const std::string_view message = error.message;
    CHECK(message.size() >= 508 && message.starts_with("/aaa"));
    CHECK(message.ends_with("\xc3\xa4: there is no such file"));
    const std::size_t dots = message.find("...");
    CHECK(dots != message.npos && message.substr(dots + 3).starts_with("\xc3\xa4"));
  }
}

TEST(capi_a_stream_hears_the_same_in_any_chunks_and_after_a_reset) {
  Random random(5);
  const auto sound = random.floats(20000, 0.1f);
  for (const std::size_t rate : {8000u, 16000u, 22050u}) {
    const Stream stream = listening(rate);
    const Told whole = heard(stream, sound, sound.size());
    CHECK(whole.frames.size() == (sound.size() * 16000 / rate + 2047) / 2048);
    CHECK(edgeser_stream_reset(stream.get(), nullptr) == EDGESER_OK);
    CHECK(heard(stream, sound, 777) == whole);
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i) sum += static_cast<double>(whole.probabilities[i]);
    CHECK_NEAR(sum, 1.0, 1e-6);
    CHECK_NEAR(whole.verdict.duration, 20000.0 / static_cast<double>(rate), 1e-9);
  }
}

TEST(capi_samples_may_be_short_and_of_many_channels) {
  Random random(7);
  std::vector<float> sound(9000);
  std::vector<std::int16_t> shorts;
  for (float& value : sound) {
    const auto whole = static_cast<std::int16_t>(random.uniform(-9000, 9000));
    value = static_cast<float>(whole) / 32768.0f;
    shorts.insert(shorts.end(), {whole, whole});
  }
  const Stream mono = listening(16000), stereo = listening(16000);
  Room one(8), two(8);
  CHECK(edgeser_stream_process(mono.get(), sound.data(), 9000, 1, &one.results, nullptr) ==
        EDGESER_OK);
  CHECK(edgeser_stream_process_int16(stereo.get(), shorts.data(), 9000, 2, &two.results, nullptr) ==
        EDGESER_OK);
  CHECK(one.results.frame_count == 4 && saved(mono) == saved(stereo));
}

TEST(capi_what_a_stream_refuses_is_named) {
  const Stream stream = listening(16000);
  const std::vector<float> sound(4096, 0.1f);
  const std::vector<float> loud(1, 9.0f);
  const auto before = saved(stream);
  const auto process = [&](const std::vector<float>& samples, std::size_t channels,
                           edgeser_error* error) {
    Room room(1);
    return edgeser_stream_process(stream.get(), samples.data(), samples.size() / channels, channels,
                                  &room.results, error);
  };
  CHECK_FAILS(process(sound, 1, &error), EDGESER_BAD_ARGUMENT,
              "room for 1 frames and 2 would come");
  CHECK_FAILS(process(loud, 1, &error), EDGESER_BAD_ARGUMENT, "must be in [-1, 1]");
  CHECK_FAILS(process(sound, 64, &error), EDGESER_BAD_ARGUMENT, "64 channels");
  CHECK(saved(stream) == before);
  edgeser_stream* none;
  for (const std::size_t rate : {std::size_t{0}, std::size_t{4000}, SIZE_MAX}) {
    CHECK_FAILS(edgeser_stream_open(shipped(), rate, nullptr, &none, &error), EDGESER_BAD_ARGUMENT,
                "outside 8000 to 192000 Hz");
    CHECK(none == nullptr);
  }
  edgeser_options options;
  edgeser_options_init(&options);
  options.utterances = 1;
  options.onset = -1;
  CHECK_FAILS(edgeser_stream_open(shipped(), 16000, &options, &none, &error), EDGESER_BAD_ARGUMENT,
              "onset");
}

TEST(capi_utterances_and_a_detector) {
  // The detector reports speech in hops 5 to 20 and 40 to 45.
  struct Script {
    int hop = 0;
    static double score(void* user, const float*, std::size_t count) {
      CHECK_EQUAL(count, 2048u);
      const int hop = static_cast<Script*>(user)->hop++;
      return (hop >= 5 && hop < 20) || (hop >= 40 && hop < 45) ? 0.9 : 0.1;
    }
  } script;
  const edgeser_detector detector{&Script::score, &script};
  edgeser_options options;
  edgeser_options_init(&options);
  options.utterances = 1;
  options.detector = &detector;
  const Stream stream = listening(16000, &options);
  Random random(8);
  const Told told = heard(stream, random.floats(44 * 2048, 0.1f), 5000);
  CHECK_EQUAL(told.events.size(), 4u);
  const edgeser_event &started = told.events[0], &ended = told.events[1];
  CHECK(started.kind == EDGESER_STARTED && ended.kind == EDGESER_ENDED);
  CHECK_NEAR(started.start, 5 * 0.128, 1e-9);
  CHECK_EQUAL(started.frames, 2);
  CHECK_NEAR(ended.end, 20 * 0.128, 1e-9);
  CHECK(ended.why == EDGESER_BY_SILENCE && ended.frames == 15);
  CHECK_NEAR(ended.verdict.speech, 15 * 0.128, 1e-9);
  CHECK(told.events[3].why == EDGESER_BY_FLUSH);
  CHECK_NEAR(told.frames[7].speech, 0.9f, 1e-6f);
  CHECK(edgeser_stream_speaking(stream.get()) == 0);
}

TEST(capi_a_stream_is_in_one_call_at_a_time) {
  const Stream stream = listening(16000);
  Random random(9);
  const auto sound = random.floats(2048, 0.1f);
  std::atomic<int> done = 0, busy = 0;
  const auto work = [&] {
    Room room(4);
    for (int i = 0; i < 50; ++i) {
      const auto status = edgeser_stream_process(stream.get(), sound.data(), sound.size(), 1,
                                                 &room.results, nullptr);
      (status == EDGESER_OK ? done : busy) += 1;
      CHECK(status == EDGESER_OK || status == EDGESER_BUSY);
    }
  };
  std::thread thread(work);
  work();
  thread.join();
  CHECK_EQUAL(done + busy, 100);
  CHECK_NEAR(edgeser_stream_position(stream.get()), done * 0.128, 1e-9);
}

TEST(capi_a_saved_stream_goes_on_elsewhere) {
  Random random(6);
  const auto sound = random.floats(30000, 0.1f);
  const std::vector<float> begin(sound.begin(), sound.begin() + 12345);
  const std::vector<float> rest(sound.begin() + 12345, sound.end());
  const Stream first = listening(22050);
  Told before;
  push(first, begin, 5000, before);
  std::vector<char> bytes = saved(first);
  edgeser_model* model;  // a second model from the same bundle is the same model for a saved stream
  CHECK(edgeser_model_open(EDGESER_TEST_BUNDLE, &model, nullptr) == EDGESER_OK);
  edgeser_stream* raw;
  CHECK(edgeser_stream_resume(model, bytes.data(), bytes.size(), nullptr, &raw, nullptr) ==
        EDGESER_OK);
  edgeser_model_close(model);
  const Stream second(raw);
  CHECK(heard(second, rest, 999) == heard(first, rest, 5000));
  const auto resume = [&](edgeser_error* error) {
    return edgeser_stream_resume(shipped(), bytes.data(), bytes.size(), nullptr, &raw, error);
  };
  bytes[200] ^= 1;
  CHECK_FAILS(resume(&error), EDGESER_BAD_STATE, "this state is damaged");
  CHECK(raw == nullptr);
  bytes.pop_back();
  CHECK_FAILS(resume(&error), EDGESER_BAD_STATE, "cut short");
  bytes[0] = 'x';
  CHECK_FAILS(resume(&error), EDGESER_BAD_STATE, "not a saved stream");
  CHECK_FAILS(edgeser_stream_save(second.get(), bytes.data(), bytes.size(), &error),
              EDGESER_BAD_ARGUMENT, "see edgeser_stream_saved_size");
}

TEST(capi_speakers) {
  edgeser_options options;
  edgeser_options_init(&options);
  options.every_hop = 2;
  edgeser_stream* none = nullptr;
  CHECK_FAILS(edgeser_stream_open(shipped(), 16000, &options, &none, &error), EDGESER_BAD_ARGUMENT,
              "every_hop must be 1 or 0");
  options.every_hop = 0;
  options.adapt = 1;
  const Stream stream = listening(16000, &options);
  float utterances = -1, weight = -1;
  std::vector<float> shift(edgeser_model_width(shipped()), 1.0f);
  const std::vector<float> quiet(16000);
  CHECK_FAILS(edgeser_stream_calibrate(stream.get(), quiet.data(), quiet.size(), 1, &error),
              EDGESER_BAD_ARGUMENT, "less than 1 s of speech");
  CHECK(edgeser_stream_new_speaker(stream.get(), nullptr) == EDGESER_OK);
  CHECK(edgeser_stream_speaker(stream.get(), &utterances, &weight, shift.data(), nullptr) ==
        EDGESER_OK);
  CHECK(utterances == 0 && weight == 0 && shift[5] == 0);
}
