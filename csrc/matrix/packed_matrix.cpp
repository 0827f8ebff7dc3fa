#include "matrix/packed_matrix.hpp"

#include <algorithm>

namespace edgeser {

AlignedFloats::AlignedFloats(std::size_t size)
    : data_(static_cast<float*>(::operator new(size * sizeof(float), alignment))) {
  std::fill_n(data_.get(), size, 0.0f);
}

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

PackedMatrix::PackedMatrix(const Level& level, const float* weights, std::size_t inputs,
                           std::size_t outputs, const float* bias, float padding)
    : weights_(inputs * round_up(outputs, level.lanes)),
      bias_(round_up(outputs, level.lanes)),
      view_{weights_.data(), bias_.data(), inputs, outputs, round_up(outputs, level.lanes)} {
  const std::size_t panel = level.panel_vectors * level.lanes;
  float* to = weights_.data();
  for (std::size_t column = 0; column < view_.padded; column += panel) {
    const std::size_t width = std::min(panel, view_.padded - column);
    const std::size_t filled = std::min(width, outputs - column);
    for (std::size_t row = 0; row < inputs; ++row, to += width) {
      std::copy_n(weights + row * outputs + column, filled, to);
    }
  }
  std::fill_n(bias_.data(), view_.padded, padding);
  if (bias) {
    std::copy_n(bias, outputs, bias_.data());
  } else {
    std::fill_n(bias_.data(), outputs, 0.0f);
  }
}

}  // namespace edgeser
