// Times the kernels in rounds in which everything takes its turn, and prints JSON: what was done in
// each round, in seconds. usage: edgeser_bench [rounds] [SIMD level]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <random>

#include "case.hpp"

namespace edgeser::bench {

volatile float sink;

std::vector<float> random_floats(std::size_t count, float scale) {
  static std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

std::function<void()> reading(const Level& level, std::size_t bytes) {
  const auto buffer = std::make_shared<Aligned<float>>(bytes / sizeof(float));
  const auto read = bounds_of(level).read;
  return [=] { sink = read(buffer->data(), bytes / sizeof(float)); };
}

namespace {

using Clock = std::chrono::steady_clock;

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

constexpr std::size_t flush_floats = std::size_t{16} << 20;  // 64 MiB: more than a core's caches
constexpr int cold_repeats = 5;
constexpr double warm_seconds = 1e-3;

// Seconds that the processor has worked for this process: what others do meanwhile does not count.
double worked() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Mean time of one repetition; of a warm one over about a millisecond, by the processor's clock,
// which takes long to read.
double timed(const Case::Work& work, const std::function<void()>& flush) {
  if (work.cold) {
    Clock::duration total{};
    for (int i = 0; i < cold_repeats; ++i) {
      flush();
      const auto began = Clock::now();
      work.once();
      total += Clock::now() - began;
    }
    return seconds(total) / cold_repeats;
  }
  work.once();
  const double began = worked();
  double passed = 0;
  int times = 0;
  for (int batch = 1; passed < warm_seconds; batch *= 2) {
    for (int i = 0; i < batch; ++i) work.once();
    times += batch;
    passed = worked() - began;
  }
  return passed / times;
}

void run(int rounds, const Level& level) {
  std::vector<Case> cases = tacn_cases(level);
  for (Case& vq : vq_cases(level)) cases.push_back(std::move(vq));
  const Bounds& bounds = bounds_of(level);
  constexpr std::size_t fma_iterations = 2000;
  const Case::Work peak{"fma", [&] { sink = bounds.fma(fma_iterations); }};
  const auto flush = reading(level, flush_floats * sizeof(float));

  // [case][work][round], the FMA peak beside each case since clocks wander.
  std::vector<std::vector<std::vector<double>>> times(cases.size());
  for (int round = -1; round < rounds; ++round) {  // the first warms up
    for (std::size_t c = 0; c < cases.size(); ++c) {
      times[c].resize(cases[c].works.size() + 1);
      const double flop = timed(peak, flush) / static_cast<double>(fma_iterations * bounds.flops);
      if (round >= 0) times[c][0].push_back(flop);
      for (std::size_t w = 0; w < cases[c].works.size(); ++w) {
        const double once = timed(cases[c].works[w], flush);
        if (round >= 0) times[c][w + 1].push_back(once);
      }
    }
  }

  const auto print = [](const std::string& name, const std::vector<double>& values) {
    std::printf("\"%s\": [", name.c_str());
    for (std::size_t i = 0; i < values.size(); ++i) std::printf("%s%.9g", i ? ", " : "", values[i]);
    std::printf("]");
  };
  std::printf("{\"simd\": \"%s\", \"cases\": {", level.name);
  for (std::size_t c = 0; c < cases.size(); ++c) {
    std::printf("%s\n\"%s\": {\"facts\": {", c ? "," : "", cases[c].name.c_str());
    const char* comma = "";
    for (const auto& [name, value] : cases[c].facts) {
      std::printf("%s\"%s\": %.17g", comma, name.c_str(), value);
      comma = ", ";
    }
    std::printf("}, \"seconds\": {");
    print("flop", times[c][0]);
    for (std::size_t w = 0; w < cases[c].works.size(); ++w) {
      std::printf(", ");
      print(cases[c].works[w].name, times[c][w + 1]);
    }
    std::printf("}}");
  }
  std::printf("\n}}\n");
}

}  // namespace
}  // namespace edgeser::bench

int main(int count, char** arguments) {
  try {
    const int rounds = count > 1 ? std::atoi(arguments[1]) : 30;
    edgeser::bench::run(rounds, edgeser::find_level(count > 2 ? arguments[2] : nullptr));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
