#include <cmath>
#include <cstring>
#include <string>

#include "check.hpp"
#include "error.hpp"
#include "simd/exp.hpp"
#include "simd/level.hpp"
#include "simd/log.hpp"
#include "simd/plain.hpp"

using namespace edgeser;

TEST(simd_plain_is_the_last_level) {
  const Levels levels = usable_levels();
  CHECK(levels.count >= 1);
  CHECK(std::string(levels.first[levels.count - 1]->name) == "plain");
}

TEST(simd_levels_are_found_by_name) {
  for (const Level* level : usable_levels()) CHECK(&find_level(level->name) == level);
  CHECK(&find_level(nullptr) == *usable_levels().begin());
  CHECK_ERROR(find_level("mmx"), "no level 'mmx'");
  CHECK_ERROR(find_level("mmx"), "plain");
}

TEST(simd_exp_is_close_on_its_whole_range) {
  double worst = 0;
  for (float x = 0; x > -87; x -= 0.0037f) {
    const float got = simd::exp_nonpositive<simd::Plain>(simd::Plain::broadcast(x)).lane[0];
    worst = std::fmax(worst, std::abs(got / std::exp(static_cast<double>(x)) - 1));
  }
  CHECK(worst < 2.0 / (1 << 23));
}

TEST(simd_exp_ends) {
  const auto at = [](float x) {
    return simd::exp_nonpositive<simd::Plain>(simd::Plain::broadcast(x)).lane[0];
  };
  CHECK(at(0.0f) == 1.0f);
  CHECK(at(-0.0f) == 1.0f);
  CHECK(at(-1000.0f) == at(-87.0f));
  CHECK(at(-INFINITY) == at(-87.0f));
  CHECK(at(-87.0f) > 0 && at(-87.0f) < 2e-38f);
  CHECK(std::isnan(at(NAN)));
}

TEST(simd_log_is_close_on_its_whole_range) {
  const auto at = [](float x) {
    return simd::log_from_one<simd::Plain>(simd::Plain::broadcast(x)).lane[0];
  };
  double worst = 0;
  for (float x = 1; x < 1e38f; x *= 1.00037f) {
    const double true_log = std::log(static_cast<double>(x));
    const double unit = std::fmax(true_log, 1e-6) / (1 << 23);
    worst = std::fmax(worst, std::abs(static_cast<double>(at(x)) - true_log) / unit);
  }
  CHECK(worst < 2);
  CHECK(at(1.0f) == 0.0f);
  CHECK(at(INFINITY) > 88.7f && at(INFINITY) < 88.8f);
}
