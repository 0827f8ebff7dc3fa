// The inner loops of the products, one function each, for bench/ports.py to look at: it compiles
// this for one SIMD level and runs nothing. EDGESER_LEVEL is its vector type, EDGESER_HEADER where
// that is.
#include EDGESER_HEADER
#include "matrix/multiply.hpp"

namespace edgeser::bench {
namespace {

using S = simd::EDGESER_LEVEL;

template <std::size_t Rows>
constexpr std::size_t width = tile_vectors<S, Rows, S::panel_vectors>();

template <std::size_t Rows, class Weight>
[[gnu::always_inline]] inline void floats(const float* const (&x)[Rows], const Weight* weights,
                                          std::size_t inputs, float* y) {
  constexpr std::size_t V = width<Rows>;
  typename S::Vec sum[Rows][V];
  multiply_run<S>(sum, x, weights, row_size<S, Weight>(S::panel_vectors), inputs);
  EDGESER_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) add_to_total<S>(y, sum[r], y + r * V * S::lanes);
}

template <std::size_t Rows>
[[gnu::always_inline]] inline void bytes(const typename S::Input* const (&x)[Rows],
                                         const std::int8_t* weights, std::size_t inputs,
                                         const std::int32_t* starts, float* y) {
  constexpr std::size_t V = width<Rows>;
  typename S::Ints sum[Rows][V];
  EDGESER_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) {
    EDGESER_UNROLL
    for (std::size_t v = 0; v < V; ++v) sum[r][v] = S::load_ints(starts + v * S::lanes);
  }
  dot_rows<S>(sum, x, weights, row_size<S, std::int8_t>(S::panel_vectors), inputs);
  EDGESER_UNROLL
  for (std::size_t r = 0; r < Rows; ++r) {
    EDGESER_UNROLL
    for (std::size_t v = 0; v < V; ++v) {
      S::store(y + (r * V + v) * S::lanes, S::to_float(sum[r][v]));
    }
  }
}

}  // namespace

extern "C" {
void float32_rows(const float* const (&x)[S::block_rows], const float* w, std::size_t n, float* y) {
  floats(x, w, n, y);
}
void bfloat16_rows(const float* const (&x)[S::block_rows], const Pair* w, std::size_t n, float* y) {
  floats(x, w, n, y);
}
void int8_rows(const S::Input* const (&x)[S::int_rows], const std::int8_t* w, std::size_t n,
               const std::int32_t* starts, float* y) {
  bytes(x, w, n, starts, y);
}
void float32_one(const float* const (&x)[1], const float* w, std::size_t n, float* y) {
  floats(x, w, n, y);
}
void bfloat16_one(const float* const (&x)[1], const Pair* w, std::size_t n, float* y) {
  floats(x, w, n, y);
}
void int8_one(const S::Input* const (&x)[1], const std::int8_t* w, std::size_t n,
              const std::int32_t* starts, float* y) {
  bytes(x, w, n, starts, y);
}
}

}  // namespace edgeser::bench
