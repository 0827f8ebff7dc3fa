#include <cmath>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "random.hpp"
#include "resampler/design.hpp"
#include "resampler/resampler.hpp"
#include "state.hpp"

using namespace edgeser;

namespace {

using State = std::vector<std::byte>;

void append(const Resampler& resampler, State& state, const float* x, std::size_t count,
            std::vector<float>& y) {
  const std::size_t had = y.size();
  resampler.check_state(state.data());
  y.resize(had + resampler.output_count(state.data(), count));
  resampler.process(x, count, state.data(), y.data() + had);
}

// All of x in chunks of `chunk` samples, and a flush.
std::vector<float> run(const Resampler& resampler, const std::vector<float>& x, std::size_t chunk) {
  State state(resampler.state_bytes());
  std::vector<float> y;
  for (std::size_t at = 0; at < x.size(); at += chunk) {
    append(resampler, state, x.data() + at, std::min(chunk, x.size() - at), y);
  }
  const std::size_t had = y.size();
  y.resize(had + resampler.flush_count(state.data()));
  resampler.flush(state.data(), y.data() + had);
  CHECK(state == State(resampler.state_bytes()));
  return y;
}

}  // namespace

TEST(resampler_equals_its_definition) {
  const int rates[][2] = {{44100, 16000}, {8000, 16000}, {16000, 11025}, {12345, 16000}};
  for (const auto& [in, out] : rates) {
    const auto x = Random(1).floats(500);
    const auto design = ResamplerDesign::for_ratio(static_cast<double>(out) / in);
    const auto y = run(Resampler(find_level("plain"), in, out), x, x.size());
    CHECK(y.size() ==
          (x.size() * static_cast<std::size_t>(out) + static_cast<std::size_t>(in) - 1) /
              static_cast<std::size_t>(in));
    for (std::size_t m = 0; m < y.size(); ++m) {
      double want = 0;
      for (std::size_t n = 0; n < x.size(); ++n) {
        want += x[n] * design(static_cast<double>(m) * in / out - static_cast<double>(n));
      }
      CHECK_NEAR(y[m], want, 3e-6);
    }
  }
}

TEST(resampler_bits_depend_on_neither_chunks_nor_level) {
  const int rates[][2] = {{44100, 16000}, {11025, 16000}, {48000, 16000}, {12345, 16000},
                          {384000, 4000}, {4000, 384000}, {16000, 16000}};
  for (const auto& [in, out] : rates) {
    const auto x = Random(2).floats(in > 100000 ? 12000 : 1500);
    const auto whole = run(Resampler(find_level("plain"), in, out), x, x.size());
    for (const Level* level : usable_levels()) {
      const Resampler resampler(*level, in, out);
      for (const std::size_t chunk :
           {std::size_t{1}, std::size_t{37}, std::size_t{1000}, x.size()}) {
        if (chunk == 1 && x.size() > 2000) continue;  // slow, without further coverage
        const auto y = run(resampler, x, chunk);
        CHECK(y.size() == whole.size());
        CHECK(std::memcmp(y.data(), whole.data(), y.size() * sizeof(float)) == 0);
      }
    }
  }
}

TEST(resampler_counter_stays_bounded) {
  const Resampler resampler(find_level(nullptr), 44100, 16000);
  State state(resampler.state_bytes());
  const std::vector<float> x(999);
  std::size_t received = 0, sent = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<float> y;
    append(resampler, state, x.data(), x.size(), y);
    received += x.size();
    sent += y.size();
    CHECK(state_counter(state.data()) < 441 + static_cast<std::int64_t>(resampler.half_width()));
  }
  CHECK(sent + resampler.flush_count(state.data()) == (received * 160 + 440) / 441);
}

TEST(resampler_equal_rates_need_no_state) {
  const Resampler resampler(find_level(nullptr), 16000, 16000);
  CHECK(resampler.state_bytes() == 0 && resampler.taps() == 0 && resampler.delay() == 0);
  const auto x = Random(3).floats(100);
  CHECK(run(resampler, x, 7) == x);
}

TEST(resampler_names_what_is_wrong) {
  const Level& level = find_level(nullptr);
  CHECK_ERROR(Resampler(level, 3999, 16000), "rate_in must be 4000..384000");
  CHECK_ERROR(Resampler(level, 16000, 384001), "rate_out must be");
  const Resampler resampler(level, 48000, 16000);
  State state(resampler.state_bytes());
  set_state_counter(state.data(), 1 << 20);
  CHECK_ERROR(resampler.check_state(state.data()), "not a state of a resampler of these rates");
  set_state_counter(state.data(), -1);
  CHECK_ERROR(resampler.check_state(state.data()), "not a state");
}
