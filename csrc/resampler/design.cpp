#include "resampler/design.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace edgeser {
namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double pass_band = 0.875;      // of the lower Nyquist frequency
constexpr double attenuation_db = 98.0;  // of the prototype; some is lost to float32 and folding

// The modified Bessel function of the first kind and order zero, by its power series in x^2 / 4.
// For x up to 10 the rest after 30 terms is below 1e-20 of the sum.
double bessel_i0(double x) {
  static constexpr auto series = [] {
    std::array<double, 31> terms{1};
    for (std::size_t k = 1; k < terms.size(); ++k) {
      terms[k] = terms[k - 1] / static_cast<double>(k * k);
    }
    return terms;
  }();
  double sum = 0;
  for (std::size_t k = series.size(); k-- > 0;) sum = sum * (x * x / 4) + series[k];
  return sum;
}

}  // namespace

ResamplerDesign ResamplerDesign::for_ratio(double ratio) {
  // Kaiser's formulas for the length and the shape (J. F. Kaiser, 1974).
  const double nyquist = 0.5 * std::min(1.0, ratio);
  const double transition = 2 * pi * nyquist * (1 - pass_band);
  const double length = (attenuation_db - 8) / (2.285 * transition);
  const auto half = static_cast<std::size_t>(std::ceil(length / 2));
  const double beta = 0.1102 * (attenuation_db - 8.7);
  return {(half + 7) / 8 * 8, nyquist * (1 + pass_band) / 2, beta, bessel_i0(beta)};
}

double ResamplerDesign::operator()(double t) const {
  const double x = t / static_cast<double>(half_width);
  if (std::abs(x) >= 1) return 0;
  const double angle = 2 * pi * cutoff * t;
  const double sinc = angle == 0 ? 1 : std::sin(angle) / angle;
  const double window = bessel_i0(beta * std::sqrt(1 - x * x)) / peak;
  return 2 * cutoff * sinc * window;
}

std::vector<float> ResamplerDesign::table(std::size_t phases) const {
  const std::size_t taps = 2 * half_width;
  std::vector<float> table((phases + 1) * taps);
  // The filter is symmetric: the second half of the table is the first in reverse.
  for (std::size_t row = 0; row <= phases / 2; ++row) {
    const double offset = static_cast<double>(row) / static_cast<double>(phases) +
                          static_cast<double>(half_width - 1);
    for (std::size_t tap = 0; tap < taps; ++tap) {
      const std::size_t at = row * taps + tap;
      table[at] = static_cast<float>((*this)(offset - static_cast<double>(tap)));
      table[table.size() - 1 - at] = table[at];
    }
  }
  return table;
}

}  // namespace edgeser
