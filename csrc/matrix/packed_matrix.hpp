#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "matrix/matrix.hpp"
#include "simd/level.hpp"

namespace edgeser {

// Zero-filled floats on a cache line boundary.
class AlignedFloats {
 public:
  explicit AlignedFloats(std::size_t size);
  float* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Delete {
    void operator()(float* p) const { ::operator delete(p, alignment); }
  };
  std::unique_ptr<float[], Delete> data_;
};

// Owns a matrix packed for `level`; see Matrix for the layout. Immutable.
class PackedMatrix {
 public:
  // `weights` is row-major (inputs, outputs). `bias` holds `outputs` values, or is null for zeros;
  // padding columns get `padding` as their bias.
  PackedMatrix(const Level& level, const float* weights, std::size_t inputs, std::size_t outputs,
               const float* bias = nullptr, float padding = 0.0f);

  const Matrix& view() const { return view_; }

 private:
  AlignedFloats weights_;
  AlignedFloats bias_;
  Matrix view_;
};

std::size_t round_up(std::size_t value, std::size_t multiple);

}  // namespace edgeser
