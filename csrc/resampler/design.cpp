#include "resampler/design.hpp"

#include <algorithm>
#include <cmath>

namespace edgeser {
namespace {

constexpr double pi = 3.14159265358979323846;
constexpr double pass_band = 0.875;      // of the lower Nyquist frequency
constexpr double attenuation_db = 98.0;  // of the prototype; some is lost to float32 and folding

// The modified Bessel function of the first kind and order zero, by its power series.
double bessel_i0(double x) {
  double sum = 1, term = 1;
  for (double k = 1; term > 1e-18 * sum; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

}  // namespace

ResamplerDesign ResamplerDesign::for_ratio(double ratio) {
  // Kaiser's formulas for the length and the shape (J. F. Kaiser, 1974).
  const double nyquist = 0.5 * std::min(1.0, ratio);
  const double transition = 2 * pi * nyquist * (1 - pass_band);
  const double length = (attenuation_db - 8) / (2.285 * transition);
  const auto half = static_cast<std::size_t>(std::ceil(length / 2));
  return {(half + 7) / 8 * 8, nyquist * (1 + pass_band) / 2, 0.1102 * (attenuation_db - 8.7)};
}

double ResamplerDesign::operator()(double t) const {
  const double x = t / static_cast<double>(half_width);
  if (std::abs(x) >= 1) return 0;
  const double angle = 2 * pi * cutoff * t;
  const double sinc = angle == 0 ? 1 : std::sin(angle) / angle;
  const double window = bessel_i0(beta * std::sqrt(1 - x * x)) / bessel_i0(beta);
  return 2 * cutoff * sinc * window;
}

std::vector<float> ResamplerDesign::table(std::size_t phases) const {
  const std::size_t taps = 2 * half_width;
  std::vector<float> table((phases + 1) * taps);
  auto to = table.begin();
  for (std::size_t row = 0; row <= phases; ++row) {
    const double offset = static_cast<double>(row) / static_cast<double>(phases) +
                          static_cast<double>(half_width - 1);
    for (std::size_t tap = 0; tap < taps; ++tap) {
      *to++ = static_cast<float>((*this)(offset - static_cast<double>(tap)));
    }
  }
  return table;
}

}  // namespace edgeser
