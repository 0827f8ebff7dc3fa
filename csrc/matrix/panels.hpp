#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "matrix/matrix.hpp"

namespace edgeser {

template <std::size_t N>
struct Size {
  static constexpr std::size_t value = N;
};

// Calls f(Size<n>) for a run-time n in 1..Max.
template <class S, std::size_t Max, class F>
inline void with_size(std::size_t n, F&& f) {
  if constexpr (Max > 1) {
    if (n < Max) return with_size<S, Max - 1>(n, f);
  }
  f(Size<Max>{});
}

// Number of stored weights in a row of a panel of this many vectors: floats, Pairs, or the bytes of
// four interleaved rows.
template <class S, class Weight>
constexpr std::size_t row_size(std::size_t vectors) {
  if constexpr (std::is_same_v<Weight, Pair>) return (vectors + 1) / 2 * S::lanes;
  if constexpr (std::is_same_v<Weight, std::int8_t>) return quad * vectors * S::lanes;
  return vectors * S::lanes;
}

// Number of stored rows of weights in a panel.
template <class S, class Weight>
inline std::size_t panel_rows(const Matrix& m) {
  return std::is_same_v<Weight, std::int8_t> ? (m.inputs + quad - 1) / quad : m.inputs;
}

// The weights of the panel whose first column is `column`.
template <class S, class Weight>
inline const Weight* panel_at(const Matrix& m, std::size_t column) {
  return static_cast<const Weight*>(m.weights) + panel_rows<S, Weight>(m) * (column / S::lanes) *
                                                     row_size<S, Weight>(S::panel_vectors) /
                                                     S::panel_vectors;
}

// Calls f(Size<vectors>, column, weights of the panel) for each panel of the matrix.
template <class S, class Weight = float, class F>
inline void for_each_panel(const Matrix& m, F&& f) {
  static_assert(S::panel_vectors % 2 == 0, "a Pair lies within a panel");
  const std::size_t total = m.padded / S::lanes;
  for (std::size_t first = 0; first < total; first += S::panel_vectors) {
    const std::size_t column = first * S::lanes;
    with_size<S, S::panel_vectors>(
        total - first, [&](auto vectors) { f(vectors, column, panel_at<S, Weight>(m, column)); });
  }
}

// Number of a panel's vectors that a block of this many rows processes at a time: a sum for each
// row and vector, a weight for each vector, and one input must fit the registers.
template <class S, std::size_t Rows, std::size_t Vectors>
constexpr std::size_t tile_vectors() {
  std::size_t vectors = Vectors;
  while (vectors > 2 && Rows * vectors + vectors + 1 > S::registers) vectors = (vectors + 1) / 2;
  return vectors;
}

// Calls f(Size<vectors>, Size<first vector>) for each tile of a panel of so many vectors.
template <class S, std::size_t Rows, std::size_t Vectors, std::size_t First = 0, class F>
inline void for_each_tile(F&& f) {
  constexpr std::size_t most = tile_vectors<S, Rows, Vectors>(), left = Vectors - First;
  constexpr std::size_t width = most < left ? most : left;
  static_assert(First % 2 == 0, "a Pair lies within a tile");
  f(Size<width>{}, Size<First>{});
  if constexpr (width < left) for_each_tile<S, Rows, Vectors, First + width>(f);
}

// Calls f(Size<rows>, first row) for blocks of at most Most rows.
template <class S, std::size_t Most = S::block_rows, class F>
inline void for_each_block(std::size_t rows, F&& f) {
  for (std::size_t row = 0; row < rows; row += Most) {
    with_size<S, Most>(rows - row, [&](auto block) { f(block, row); });
  }
}

}  // namespace edgeser
