#include "tacn/convert.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "state.hpp"

namespace edgeser {
namespace {

// Least squares: the x (n) that minimises |x @ w - y| for w (n, m) and y (m).
class LeastSquares {
 public:
  LeastSquares(std::vector<float> weights, std::size_t n, std::size_t m)
      : w_(std::move(weights)), n_(n), m_(m), factor_(n * n), right_(n) {
    double trace = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (std::size_t c = 0; c < m; ++c) sum += double{w_[i * m + c]} * w_[j * m + c];
        factor_[i * n + j] = sum;
      }
      trace += factor_[i * n + i];
    }
    // Directions with almost no weight stay zero, since their result is zero, too.
    const double least = std::max(1e-11 * trace / static_cast<double>(n), 1e-200);
    for (std::size_t i = 0; i < n; ++i) {  // Cholesky decomposition
      double* const row = &factor_[i * n];
      row[i] += least;
      for (std::size_t j = 0; j <= i; ++j) {
        const double* const other = &factor_[j * n];
        double sum = row[j];
        for (std::size_t k = 0; k < j; ++k) sum -= row[k] * other[k];
        row[j] = j == i ? std::sqrt(std::max(sum, least)) : sum / other[j];
      }
    }
  }

  void operator()(const float* y, float* x) {
    for (std::size_t i = 0; i < n_; ++i) {
      double sum = 0;
      for (std::size_t c = 0; c < m_; ++c) sum += double{w_[i * m_ + c]} * y[c];
      for (std::size_t k = 0; k < i; ++k) sum -= factor_[i * n_ + k] * right_[k];
      right_[i] = sum / factor_[i * n_ + i];
    }
    for (std::size_t i = n_; i-- > 0;) {
      double sum = right_[i];
      for (std::size_t k = i + 1; k < n_; ++k) sum -= factor_[k * n_ + i] * right_[k];
      right_[i] = sum / factor_[i * n_ + i];
      x[i] = static_cast<float>(right_[i]);
    }
  }

 private:
  std::vector<float> w_;
  std::size_t n_, m_;
  std::vector<double> factor_, right_;
};

// (rows, 3C) of inputs (rows, C).
std::vector<float> projected(const Tacn& tacn, const TacnLayer& layer, const float* inputs,
                             std::size_t rows) {
  const std::size_t m = 3 * tacn.width(), padded = layer.projection.padded;
  std::vector<float> wide(rows * padded), result(rows * m);
  const auto precision = static_cast<std::size_t>(tacn.precision());
  tacn.level().multiply[precision](layer.projection, inputs, rows, wide.data());
  for (std::size_t r = 0; r < rows; ++r) std::copy_n(&wide[r * padded], m, &result[r * m]);
  return result;
}

// (C, 3C): the weights as the kernel multiplies by them, rounded to the precision.
std::vector<float> weights_of(const Tacn& tacn, const TacnLayer& layer) {
  const std::size_t width = tacn.width();
  std::vector<float> one(width * width);
  for (std::size_t i = 0; i < width; ++i) one[i * (width + 1)] = 1;
  return projected(tacn, layer, one.data(), width);
}

}  // namespace

bool can_convert(Rings from, Rings to) noexcept {
  return from != to && from != Rings::int8 && to != Rings::int8;
}

void convert_state(const Tacn& tacn, Rings from, const std::byte* other, std::byte* state) {
  const std::size_t width = tacn.width(), most = static_cast<std::size_t>(state_counter(other));
  std::memset(state, 0, tacn.state_bytes());
  std::memcpy(state, other, state_header_bytes);
  const std::byte* theirs = other + state_header_bytes;
  std::vector<float> rows;
  for (std::size_t n = 0; n < tacn.layers(); ++n) {
    const TacnLayer& layer = tacn.plan().layers[n];
    auto* const own = reinterpret_cast<float*>(state + layer.ring);
    const std::size_t known = std::min(most, layer.ring_slots);  // the others are never read
    const std::size_t bytes = bytes_of_slot(from, width);
    rows.resize(known * bytes / sizeof(float));
    std::memcpy(rows.data(), theirs, known * bytes);
    theirs += layer.ring_slots * bytes;
    if (from == Rings::float32) {
      const std::vector<float> made = projected(tacn, layer, rows.data(), known);
      std::copy(made.begin(), made.end(), own);
    } else if (known > 0) {
      LeastSquares solve(weights_of(tacn, layer), width, 3 * width);
      for (std::size_t r = 0; r < known; ++r) solve(&rows[r * 3 * width], own + r * width);
    }
  }
}

}  // namespace edgeser
