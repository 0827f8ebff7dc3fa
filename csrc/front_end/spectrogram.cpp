#include "front_end/spectrogram.hpp"

#include <cmath>
#include <numbers>

namespace edgeser {

double hann(std::size_t n, std::size_t size) {
  return 0.5 -
         0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(n) / static_cast<double>(size));
}

Spectrogram::Spectrogram(const Level& level, std::size_t window, std::size_t hop,
                         std::size_t samples) {
  const std::size_t quarter = window / 4;
  double energy = 0;
  for (std::size_t n = 0; n < window; ++n) energy += hann(n, window) * hann(n, window);
  for (std::size_t n = 0; n <= window / 2; ++n) {
    hann_.push_back(static_cast<float>(hann(n, window)));
  }
  // The bins' powers sum to the mean square (Parseval): every bin except the last represents two.
  const double twice = std::sqrt(2.0 / (static_cast<double>(window) * energy));
  const double once = std::sqrt(1.0 / (static_cast<double>(window) * energy));
  std::vector<double> cosine(window), sine(window);  // of fractions of a turn
  for (std::size_t n = 0; n < window; ++n) {
    const double phase =
        2 * std::numbers::pi * static_cast<double>(n) / static_cast<double>(window);
    cosine[n] = std::cos(phase);
    sine[n] = std::sin(phase);
  }
  const auto transform = [&](const std::vector<double>& wave, std::size_t first) {
    std::vector<float> basis((quarter + 1) * quarter);
    for (std::size_t n = 0; n <= quarter; ++n) {
      for (std::size_t j = 0; j < quarter; ++j) {
        const std::size_t k = first + 2 * j;
        const double scale = k == window / 2 ? once : twice;
        basis[n * quarter + j] = static_cast<float>(wave[k * n % window] * scale);
      }
    }
    return matrices_.emplace_back(level, basis.data(), quarter + 1, quarter).view();
  };
  plan_.window = window;
  plan_.hop = hop;
  plan_.frames = (samples - window) / hop + 1;
  plan_.bins = window / 2;
  plan_.hann = hann_.data();
  plan_.even_cosines = transform(cosine, 2);
  plan_.even_sines = transform(sine, 2);
  plan_.odd_cosines = transform(cosine, 1);
  plan_.odd_sines = transform(sine, 1);
}

}  // namespace edgeser
