#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#include "matrix/matrix.hpp"
#include "simd/level.hpp"

namespace edgeser {

// Zero-initialised values, aligned to a cache line.
template <class T>
class Aligned {
 public:
  explicit Aligned(std::size_t size)
      : data_(static_cast<T*>(::operator new(size * sizeof(T), alignment))) {
    std::uninitialized_value_construct_n(data_.get(), size);
  }
  T* data() const { return data_.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Delete {
    void operator()(T* p) const { ::operator delete(p, alignment); }
  };
  std::unique_ptr<T[], Delete> data_;
};

// Owns a matrix packed for `level` in one precision; see Matrix for the layout. Immutable.
class PackedMatrix {
 public:
  // `weights` is row-major (inputs, outputs), finite. `bias` has `outputs` values, or is null for
  // zeros; padding columns have the bias `padding`. Throws Error if int8 does not support so many
  // inputs.
  PackedMatrix(const Level& level, const float* weights, std::size_t inputs, std::size_t outputs,
               const float* bias = nullptr, float padding = 0.0f,
               Precision precision = Precision::float32);

  const Matrix& view() const { return view_; }

 private:
  Aligned<std::byte> weights_;
  Aligned<float> bias_;
  Aligned<float> scales_;
  Aligned<std::int32_t> starts_;
  Matrix view_;
};

std::size_t round_up(std::size_t value, std::size_t multiple);

// The nearest bfloat16 of a finite value, ties to even, as the upper half of a float32.
std::uint16_t to_bfloat16(float value);

}  // namespace edgeser
