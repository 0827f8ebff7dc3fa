#include <cmath>
#include <numbers>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "front_end/front_end.hpp"
#include "random.hpp"

using namespace edgeser;

namespace {

// Two views of 260 samples: 9 frames of 20 bins, and 3 of 11 bands; all sizes are odd.
struct Network {
  std::vector<float> wide, wider, narrow, encoder, biases, head;

  explicit Network(Random& random)
      : wide(random.floats(3 * 4 * 1 * 5)),
        wider(random.floats(3 * 3 * 5 * 35)),
        narrow(random.floats(2 * 3 * 1 * 18)),
        encoder(random.floats(2 * 2 * 1 * 17)),
        biases(random.floats(64)),
        head(random.floats(features * 21)) {}

  static constexpr std::size_t features = 3 * 4 * 35 + 2 * 9 * 18;

  FrontEndWeights weights() const {
    FrontEndWeights w{};
    w.segment = 260;
    w.hop = 120;
    w.sample_rate = 1000;
    w.spectrogram_window = 40;
    w.spectrogram_hop = 25;
    w.harmonics_window = 100;
    w.harmonics_hop = 80;
    w.harmonics_bands = 11;
    w.harmonics_lowest = 20;
    w.harmonics_bands_an_octave = 3;
    w.wide = {{3, 4, 1, 5, 2, 3, 1, 1, true, wide.data(), biases.data()},
              {3, 3, 5, 35, 2, 2, 1, 1, true, wider.data(), biases.data()}};
    w.narrow = {{2, 3, 1, 18, 1, 1, 0, 0, false, narrow.data(), biases.data()}};
    w.encoder = {{2, 2, 1, 17, 3, 2, 0, 0, false, encoder.data(), biases.data()}};
    w.deep = 21;
    w.head_inputs = features;
    w.head_weight = head.data();
    w.head_bias = biases.data();
    return w;
  }
};

struct Result {
  std::vector<float> deep, latent, levels;
};

Result run(const FrontEnd& front_end, const std::vector<float>& segments,
           const std::vector<float>& levels) {
  const std::size_t rows = levels.size();
  Result result{std::vector<float>(rows * front_end.deep()),
                std::vector<float>(rows * front_end.positions() * front_end.code_width()),
                std::vector<float>(rows)};
  front_end.read(segments.data(), levels.data(), rows, result.deep.data(), result.latent.data(),
                 result.levels.data());
  return result;
}

// Power of 260 samples at `hertz` in the frame that begins at `start`, computed by the formula.
double power_at(const std::vector<float>& segment, std::size_t start, std::size_t window,
                double hertz, double scale) {
  double real = 0, imaginary = 0;
  for (std::size_t n = 0; n < window; ++n) {
    const double turn = 2 * std::numbers::pi * static_cast<double>(n);
    const double value = static_cast<double>(segment[start + n]) *
                         (0.5 - 0.5 * std::cos(turn / static_cast<double>(window))) * scale;
    real += value * std::cos(turn * hertz / 1000);
    imaginary += value * std::sin(turn * hertz / 1000);
  }
  return real * real + imaginary * imaginary;
}

double normal(double power, double level) {
  const double scaled =
      std::log1p(power * std::pow(10, (50 - level) / 10)) * 20 / (50 * std::numbers::ln10) - 1;
  return std::fmin(scaled, 1.4);
}

}  // namespace

TEST(front_end_sizes_follow_from_the_network) {
  Random random(1);
  const Network network(random);
  const FrontEnd front_end(find_level(nullptr), network.weights());
  CHECK_EQUAL(front_end.segment(), 260u);
  CHECK_EQUAL(front_end.deep(), 21u);
  CHECK_EQUAL(front_end.positions(), 3u * 10u);
  CHECK_EQUAL(front_end.code_width(), 17u);
}

TEST(front_end_latent_equals_its_formula) {
  Random random(2);
  const Network network(random);
  const std::vector<float> segment = random.floats(260);
  const FrontEnd front_end(find_level("plain"), network.weights());
  const Result got = run(front_end, segment, {-1000});

  double sine_energy = 0;  // of the Hann window
  for (std::size_t n = 0; n < 40; ++n) {
    sine_energy +=
        std::pow(0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(n) / 40), 2);
  }
  double view[9][20];
  double newest = 0;
  for (std::size_t f = 0; f < 9; ++f) {
    for (std::size_t bin = 1; bin <= 20; ++bin) {
      const double twice = bin == 20 ? 1 : 2;
      view[f][bin - 1] = power_at(segment, f * 25, 40, static_cast<double>(bin) * 25,
                                  std::sqrt(twice / (40 * sine_energy)));
      if (f >= 5 && bin >= 2) newest += view[f][bin - 1] / 4;  // 120 samples are 4 whole hops
    }
  }
  const double level = 10 * std::log10(newest * 1e20 + 1) - 200;
  CHECK_NEAR(static_cast<double>(got.levels[0]), level, 1e-4);
  for (std::size_t p = 0; p < 30; ++p) {
    for (std::size_t c = 0; c < 17; ++c) {
      double sum = static_cast<double>(network.biases[c]);
      for (std::size_t y = 0; y < 2; ++y) {
        for (std::size_t x = 0; x < 2; ++x) {
          sum += normal(view[p / 10 * 3 + y][p % 10 * 2 + x], level) *
                 static_cast<double>(network.encoder[(y * 2 + x) * 17 + c]);
        }
      }
      CHECK_NEAR(static_cast<double>(got.latent[p * 17 + c]), sum, 1e-4);
    }
  }
}

TEST(front_end_bits_are_those_of_every_level_and_batch) {
  Random random(3);
  const Network network(random);
  const std::vector<float> segments = random.floats(7 * 260);
  const std::vector<float> levels = {-1000, -30, -50, -1000, -3, -140, -20};
  const Result want = run(FrontEnd(find_level("plain"), network.weights()), segments, levels);
  for (const Level* level : usable_levels()) {
    const FrontEnd front_end(*level, network.weights());
    const Result got = run(front_end, segments, levels);
    CHECK(got.deep == want.deep);
    CHECK(got.latent == want.latent);
    CHECK(got.levels == want.levels);
    const Result one = run(front_end, {segments.begin() + 6 * 260, segments.end()}, {-20});
    CHECK(one.deep == std::vector<float>(want.deep.begin() + 6 * 21, want.deep.end()));
  }
}

TEST(front_end_level_rises_fast_and_falls_slowly) {
  Random random(4);
  const Network network(random);
  const FrontEnd front_end(find_level(nullptr), network.weights());
  const std::vector<float> silence(260, 0.0f), noise = random.floats(260);
  CHECK_EQUAL(run(front_end, silence, {-1000}).levels[0], -140.0f);
  CHECK_NEAR(run(front_end, silence, {-20}).levels[0], -20.15f, 1e-4f);  // 0.005 of 30 dB
  const float own = run(front_end, noise, {-1000}).levels[0];
  CHECK_NEAR(run(front_end, noise, {own - 8}).levels[0], own - 4, 1e-3f);
  CHECK_NEAR(run(front_end, noise, {own - 80}).levels[0], own - 10, 1e-3f);
}

TEST(front_end_refuses_what_does_not_fit) {
  Random random(5);
  const Network network(random);
  const Level& level = find_level(nullptr);
  auto w = network.weights();
  w.wide[1].inputs = 4;
  CHECK_ERROR(FrontEnd(level, w), "wide[1]: takes 4 channels, and 5 come in");
  w = network.weights();
  w.head_inputs = 3;
  CHECK_ERROR(FrontEnd(level, w), "a row for each of the 744 features");
  w = network.weights();
  w.spectrogram_window = 42;
  CHECK_ERROR(FrontEnd(level, w), "multiple of 4");
  w = network.weights();
  w.encoder.clear();
  CHECK_ERROR(FrontEnd(level, w), "encoder: there must be");
  w = network.weights();
  w.level.dynamic_range = 0;
  CHECK_ERROR(FrontEnd(level, w), "dynamic_range");
}
