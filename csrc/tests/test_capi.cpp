// The C API, used as somebody else would.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "edgeser.h"
#include "random.hpp"

namespace {

struct Close {
  void operator()(edgeser_model* model) const { edgeser_model_close(model); }
  void operator()(edgeser_state* state) const { edgeser_state_close(state); }
  void operator()(edgeser_stream* stream) const { edgeser_stream_close(stream); }
};
using Model = std::unique_ptr<edgeser_model, Close>;
using State = std::unique_ptr<edgeser_state, Close>;
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

State fresh() {
  edgeser_state* state;
  CHECK(edgeser_state_open(shipped(), &state, nullptr) == EDGESER_OK);
  return State(state);
}

std::vector<char> saved(const State& state) {
  std::vector<char> bytes(edgeser_state_saved_size(state.get()));
  CHECK(edgeser_state_save(state.get(), bytes.data(), bytes.size(), nullptr) == EDGESER_OK);
  return bytes;
}

std::int64_t position(const State& state) {
  std::int64_t position = -1;
  CHECK(edgeser_state_position(state.get(), &position, nullptr) == EDGESER_OK);
  return position;
}

// Features of `rows` segments.
struct Features {
  std::vector<float> deep, latent;
  Features(std::uint32_t seed, std::size_t rows) {
    const edgeser_model* const m = shipped();
    Random random(seed);
    deep = random.floats(rows * edgeser_model_deep_width(m));
    latent = random.floats(rows * edgeser_model_positions(m) * edgeser_model_code_width(m));
  }
};

struct Result {
  std::vector<float> log_probabilities, speech;
  explicit Result(std::size_t rows)
      : log_probabilities(rows * edgeser_model_label_count(shipped())), speech(rows) {}
  bool operator==(const Result&) const = default;
};

Result step(const std::vector<edgeser_state*>& states, const Features& f) {
  Result result(states.size());
  edgeser_error error;
  const auto status =
      edgeser_step(shipped(), states.data(), states.size(), f.deep.data(), f.latent.data(),
                   result.log_probabilities.data(), result.speech.data(), &error);
  CHECK(status == EDGESER_OK);
  return result;
}

// The call must fail in this way, and say this.
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
  CHECK(edgeser_model_segment(m) == 4224 && edgeser_model_receptive_field(m) == 511);
  CHECK(edgeser_model_level_initial(m) == -1000.0f);
  std::size_t size = 0;
  CHECK(edgeser_model_front_end(m, &size) != nullptr && size > 1'000'000);
  CHECK(std::strlen(edgeser_model_simd(m)) > 3);
  CHECK(std::string(edgeser_status_name(EDGESER_BUSY)) == "EDGESER_BUSY");
  CHECK(std::string(edgeser_status_name(static_cast<edgeser_status>(7))) == "unknown");
  CHECK(std::string(edgeser_version()) == std::to_string(EDGESER_VERSION_MAJOR) + "." +
                                              std::to_string(EDGESER_VERSION_MINOR) + "." +
                                              std::to_string(EDGESER_VERSION_PATCH));
}

TEST(capi_null_is_answered) {
  CHECK(!edgeser_model_name(nullptr) && !edgeser_model_label(nullptr, 0));
  CHECK(edgeser_model_hop(nullptr) == 0 && !edgeser_model_front_end(nullptr, nullptr));
  CHECK(edgeser_state_saved_size(nullptr) == 0);
  CHECK(edgeser_model_decide(nullptr, nullptr, 1) == EDGESER_NO_LABEL);
  edgeser_model_close(nullptr);
  edgeser_state_close(nullptr);
  CHECK_FAILS(edgeser_model_open(EDGESER_TEST_BUNDLE, nullptr, &error), EDGESER_BAD_ARGUMENT,
              "model must not be NULL");
  edgeser_model* model = const_cast<edgeser_model*>(shipped());
  CHECK_FAILS(edgeser_model_open(nullptr, &model, &error), EDGESER_BAD_ARGUMENT, "path");
  CHECK(model == nullptr);
  CHECK_FAILS(edgeser_model_open_memory(nullptr, 9, &model, &error), EDGESER_BAD_ARGUMENT, "bytes");
  edgeser_state* state;
  CHECK_FAILS(edgeser_state_open(nullptr, &state, &error), EDGESER_BAD_ARGUMENT, "model");
  CHECK_FAILS(edgeser_state_reset(nullptr, &error), EDGESER_BAD_ARGUMENT, "must not be NULL");
  CHECK_FAILS(edgeser_step(nullptr, nullptr, 1, nullptr, nullptr, nullptr, nullptr, &error),
              EDGESER_BAD_ARGUMENT, "model");
  CHECK_FAILS(edgeser_step(shipped(), nullptr, 1, nullptr, nullptr, nullptr, nullptr, &error),
              EDGESER_BAD_ARGUMENT, "states");
  CHECK(edgeser_step(shipped(), nullptr, 0, nullptr, nullptr, nullptr, nullptr, nullptr) ==
        EDGESER_OK);
}

TEST(capi_names_bad_bundles) {
  edgeser_model* model;
  CHECK_FAILS(edgeser_model_open("/there/is/none", &model, &error), EDGESER_BAD_BUNDLE,
              "/there/is/none: there is no such file");
  CHECK_FAILS(edgeser_model_open("/", &model, &error), EDGESER_BAD_BUNDLE, "is a folder");
  CHECK_FAILS(edgeser_model_open_memory("hello", 5, &model, &error), EDGESER_BAD_BUNDLE,
              "is not a bundle");
  // Messages that do not fit are cut, never within a character.
  std::string path = "/" + std::string(300, 'a');
  for (int i = 0; i < 200; ++i) path += "\xc3\xa4";
  CHECK_FAILS(edgeser_model_open(path.c_str(), &model, &error), EDGESER_BAD_BUNDLE, "aaa\xc3\xa4");
  edgeser_error error;
  edgeser_model_open(path.c_str(), &model, &error);
  CHECK(std::strlen(error.message) >= 510 && (error.message[0] == '/'));
  CHECK((error.message[std::strlen(error.message) - 1] & 0xff) == 0xa4);
}

TEST(capi_probabilities_are_probabilities) {
  const State state = fresh();
  const Result result = step({state.get()}, Features(1, 1));
  double sum = 0;
  for (const float value : result.log_probabilities) sum += std::exp(value);
  CHECK_NEAR(sum, 1.0, 1e-6);
  CHECK(result.speech[0] > 0 && result.speech[0] < 1);

  // By the thresholds in the bundle: 0.95 for speech, 0.52 for confidence.
  const float sure[] = {std::log(0.1f), std::log(0.6f), std::log(0.2f), std::log(0.1f)};
  const float unsure[] = {std::log(0.2f), std::log(0.5f), std::log(0.2f), std::log(0.1f)};
  CHECK(edgeser_model_decide(shipped(), sure, 0.99f) == 1);
  CHECK(edgeser_model_decide(shipped(), sure, 0.9f) == EDGESER_NO_LABEL);
  CHECK(edgeser_model_decide(shipped(), unsure, 0.99f) == EDGESER_NO_LABEL);
}

TEST(capi_streams_in_a_batch_get_what_they_get_alone) {
  const std::size_t streams = 5, times = 4;
  std::vector<State> together, alone;
  std::vector<edgeser_state*> batch;
  for (std::size_t s = 0; s < streams; ++s) {
    together.push_back(fresh());
    alone.push_back(fresh());
    batch.push_back(together.back().get());
  }
  const edgeser_model* const m = shipped();
  const std::size_t deep = edgeser_model_deep_width(m), labels = edgeser_model_label_count(m);
  const std::size_t latent = edgeser_model_positions(m) * edgeser_model_code_width(m);
  for (std::size_t t = 0; t < times; ++t) {
    const Features f(static_cast<std::uint32_t>(t), streams);
    const Result all = step(batch, f);
    for (std::size_t s = 0; s < streams; ++s) {
      Result one(1);
      edgeser_state* const state = alone[s].get();
      CHECK(edgeser_step(m, &state, 1, &f.deep[s * deep], &f.latent[s * latent],
                         one.log_probabilities.data(), one.speech.data(), nullptr) == EDGESER_OK);
      CHECK(std::equal(one.log_probabilities.begin(), one.log_probabilities.end(),
                       &all.log_probabilities[s * labels]));
      CHECK(one.speech[0] == all.speech[s]);
    }
  }
  for (std::size_t s = 0; s < streams; ++s) CHECK(saved(together[s]) == saved(alone[s]));
}

TEST(capi_a_saved_state_goes_on) {
  const State state = fresh(), other = fresh();
  for (std::uint32_t t = 0; t < 7; ++t) step({state.get()}, Features(t, 1));
  const std::vector<char> bytes = saved(state);
  CHECK(edgeser_state_load(other.get(), bytes.data(), bytes.size(), nullptr) == EDGESER_OK);
  CHECK(position(other) == 7);
  CHECK(step({state.get()}, Features(9, 1)) == step({other.get()}, Features(9, 1)));

  CHECK(edgeser_state_reset(other.get(), nullptr) == EDGESER_OK);
  CHECK(saved(other) == saved(fresh()) && position(other) == 0);
}

TEST(capi_names_bad_states) {
  const State state = fresh();
  step({state.get()}, Features(1, 1));
  const std::vector<char> good = saved(state);
  const auto load = [&](const std::vector<char>& bytes, edgeser_error* error) {
    return edgeser_state_load(state.get(), bytes.data(), bytes.size(), error);
  };
  auto bad = good;
  bad.pop_back();
  CHECK_FAILS(load(bad, &error), EDGESER_BAD_ARGUMENT, "bytes, not");
  bad = good;
  bad[0] = 'X';
  CHECK_FAILS(load(bad, &error), EDGESER_BAD_STATE, "not a saved state");
  bad = good;
  bad[8] = 2;
  CHECK_FAILS(load(bad, &error), EDGESER_BAD_STATE, "newer edgeser");
  for (const std::size_t at : {12u, 20u, 50u, 60u, 4000u}) {
    bad = good;
    bad[at] ^= 1;
    CHECK_FAILS(load(bad, &error), EDGESER_BAD_STATE, "damaged");
  }
  bad = good;
  bad.back() ^= 1;
  CHECK_FAILS(load(bad, &error), EDGESER_BAD_STATE, "damaged");
  CHECK(saved(state) == good);
}

TEST(capi_bad_features_change_nothing) {
  const State state = fresh(), other = fresh();
  for (std::uint32_t t = 0; t < 3; ++t) step({state.get(), other.get()}, Features(t, 2));
  const auto before = saved(state), before_other = saved(other);
  const auto attempt = [&](const Features& f, edgeser_error* error) {
    edgeser_state* const states[] = {state.get(), other.get()};
    return edgeser_step(shipped(), states, 2, f.deep.data(), f.latent.data(), nullptr, nullptr,
                        error);
  };
  Features f(5, 2);
  f.deep[edgeser_model_deep_width(shipped()) + 3] = std::nanf("");
  CHECK_FAILS(attempt(f, &error), EDGESER_BAD_ARGUMENT, "deep[1]: value 3 is NaN");
  f = Features(5, 2);
  f.latent[0] = std::numeric_limits<float>::infinity();
  CHECK_FAILS(attempt(f, &error), EDGESER_BAD_ARGUMENT, "latent[0]: value 0");
  f = Features(5, 2);
  for (float& value : f.deep) value = std::copysign(3e38f, value);
  CHECK_FAILS(attempt(f, &error), EDGESER_BAD_ARGUMENT, "too large for the model");
  CHECK(saved(state) == before && saved(other) == before_other);
}

TEST(capi_a_state_is_in_one_call_at_a_time) {
  const State state = fresh(), other = fresh();
  const auto twice = [&](edgeser_error* error) {
    edgeser_state* const states[] = {state.get(), other.get(), state.get()};
    const Features f(1, 3);
    return edgeser_step(shipped(), states, 3, f.deep.data(), f.latent.data(), nullptr, nullptr,
                        error);
  };
  CHECK_FAILS(twice(&error), EDGESER_BUSY, "states[2]");
  CHECK(position(state) == 0 && position(other) == 0);  // and both are free again

  // Two threads in one state: each call either counts or is told so.
  std::atomic<int> done = 0, busy = 0;
  const auto work = [&] {
    const Features f(1, 1);
    edgeser_state* const states[] = {state.get()};
    for (int i = 0; i < 200; ++i) {
      const auto status = edgeser_step(shipped(), states, 1, f.deep.data(), f.latent.data(),
                                       nullptr, nullptr, nullptr);
      (status == EDGESER_OK ? done : busy) += 1;
      CHECK(status == EDGESER_OK || status == EDGESER_BUSY);
    }
  };
  std::thread thread(work);
  work();
  thread.join();
  CHECK(done + busy == 400 && position(state) == done);
}

TEST(capi_states_belong_to_their_model_and_outlive_its_handle) {
  edgeser_model* model;
  CHECK(edgeser_model_open(EDGESER_TEST_BUNDLE, &model, nullptr) == EDGESER_OK);
  edgeser_state* raw;
  CHECK(edgeser_state_open(model, &raw, nullptr) == EDGESER_OK);
  const State state(raw);
  edgeser_model_close(model);
  CHECK(position(state) == 0);
  const Features f(1, 1);
  const auto attempt = [&](edgeser_error* error) {
    return edgeser_step(shipped(), &raw, 1, f.deep.data(), f.latent.data(), nullptr, nullptr,
                        error);
  };
  CHECK_FAILS(attempt(&error), EDGESER_BAD_STATE, "states[0] was opened for another model");
  // Two openings of one bundle are one model to a saved state.
  const auto bytes = saved(fresh());
  CHECK(edgeser_state_load(raw, bytes.data(), bytes.size(), nullptr) == EDGESER_OK);
}

Stream listening(std::size_t rate) {
  edgeser_stream* stream;
  CHECK(edgeser_stream_open(shipped(), rate, &stream, nullptr) == EDGESER_OK);
  return Stream(stream);
}

// The speech scores of all frames that sound in chunks of `size` brings, those of the flush too.
std::vector<float> scores(const Stream& stream, const std::vector<float>& sound, std::size_t size) {
  std::vector<float> result;
  std::vector<edgeser_frame> frames(edgeser_stream_most_frames(stream.get(), size));
  std::size_t made;
  const auto keep = [&] {
    for (std::size_t n = 0; n < made; ++n) result.push_back(frames[n].speech);
  };
  for (std::size_t at = 0; at < sound.size(); at += size) {
    CHECK(edgeser_stream_process(stream.get(), &sound[at], std::min(size, sound.size() - at),
                                 frames.data(), nullptr, frames.size(), &made,
                                 nullptr) == EDGESER_OK);
    keep();
  }
  CHECK(edgeser_stream_flush(stream.get(), frames.data(), nullptr, frames.size(), &made, nullptr) ==
        EDGESER_OK);
  keep();
  return result;
}

TEST(capi_a_stream_hears_the_same_in_any_chunks_and_after_its_end) {
  Random random(5);
  const auto sound = random.floats(20000, 0.1f);
  for (const std::size_t rate : {8000u, 16000u, 22050u}) {
    const Stream stream = listening(rate);
    const auto whole = scores(stream, sound, sound.size());
    CHECK(whole.size() == (sound.size() * 16000 / rate + 2047) / 2048);
    CHECK(scores(stream, sound, 777) == whole);
    CHECK(edgeser_stream_reset(stream.get(), nullptr) == EDGESER_OK);
    CHECK(scores(stream, sound, 9) == whole);
  }
}

TEST(capi_what_a_stream_refuses_is_named) {
  const Stream stream = listening(16000);
  const std::vector<float> sound(4096);
  const std::vector<float> loud(1, 9.0f);
  edgeser_frame frame;
  std::size_t made;
  const auto process = [&](const std::vector<float>& samples, edgeser_error* error) {
    return edgeser_stream_process(stream.get(), samples.data(), samples.size(), &frame, nullptr, 1,
                                  &made, error);
  };
  CHECK_FAILS(process(sound, &error), EDGESER_BAD_ARGUMENT, "room for 1 frames and 2 would come");
  CHECK_FAILS(process(loud, &error), EDGESER_BAD_ARGUMENT, "samples[0] is not in [-1, 1]");
  edgeser_stream* none;
  CHECK_FAILS(edgeser_stream_open(shipped(), 4000, &none, &error), EDGESER_BAD_ARGUMENT,
              "sample_rate is 4000 Hz");
  CHECK(none == nullptr);
}

TEST(capi_a_saved_stream_goes_on_elsewhere) {
  Random random(6);
  const auto sound = random.floats(30000, 0.1f);
  const std::vector<float> begin(sound.begin(), sound.begin() + 12345);
  const std::vector<float> rest(sound.begin() + 12345, sound.end());
  std::vector<edgeser_frame> frames(32);
  std::size_t made;
  const Stream first = listening(22050), second = listening(22050), other = listening(16000);
  CHECK(edgeser_stream_process(first.get(), begin.data(), begin.size(), frames.data(), nullptr,
                               frames.size(), &made, nullptr) == EDGESER_OK);
  std::vector<char> bytes(edgeser_stream_saved_size(first.get()));
  const auto load = [&](const Stream& stream, edgeser_error* error) {
    return edgeser_stream_load(stream.get(), bytes.data(), bytes.size(), error);
  };
  CHECK(edgeser_stream_save(first.get(), bytes.data(), bytes.size(), nullptr) == EDGESER_OK);
  CHECK(load(second, nullptr) == EDGESER_OK);
  CHECK(scores(second, rest, 999) == scores(first, rest, 5000));
  CHECK_FAILS(load(other, &error), EDGESER_BAD_ARGUMENT, "see edgeser_stream_saved_size");
  bytes[100] ^= 1;
  CHECK_FAILS(load(second, &error), EDGESER_BAD_STATE, "this stream is damaged");
  bytes[0] = 'x';
  CHECK_FAILS(load(second, &error), EDGESER_BAD_STATE, "not a saved stream");
}
