#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "matrix/multiply.hpp"
#include "vq_fusion/plan.hpp"

namespace edgeser {

// The index of the lowest of the scores seen so far, in each lane: `value` starts at +inf, so that
// lanes beyond the last code (whose score is +inf) never win. Indices are floats, exact to 2^24.
template <class S>
struct LaneArgmin {
  typename S::Vec value;
  typename S::Vec index;

  // The lowest over all lanes, and of equal ones the one with the lowest index.
  std::int32_t lowest() const {
    float values[S::lanes], indices[S::lanes];
    S::store(values, value);
    S::store(indices, index);
    float best = values[0], at = indices[0];
    for (std::size_t i = 1; i < S::lanes; ++i) {
      if (values[i] < best || (values[i] == best && indices[i] < at)) {
        best = values[i];
        at = indices[i];
      }
    }
    return static_cast<std::int32_t>(at);
  }
};

// Updates `best` of R rows with the scores of one panel of codes.
template <class S, std::size_t R, std::size_t V>
inline void score_panel(const VqFusionPlan& plan, const float* const (&vectors)[R],
                        std::size_t column, const float* weights, LaneArgmin<S>* best) {
  alignas(64) float scores[R * V * S::lanes];
  fill_rows<S, R>(scores, plan.scores.bias + column, V * S::lanes);
  multiply_add<S, R, V>(scores, vectors, weights, plan.code_width);
  for (std::size_t v = 0; v < V; ++v) {
    const typename S::Vec index =
        S::add(S::iota(), S::broadcast(static_cast<float>(column + v * S::lanes)));
    EDGESER_UNROLL
    for (std::size_t r = 0; r < R; ++r) {
      const typename S::Vec score = S::load(scores + (r * V + v) * S::lanes);
      const typename S::Mask lower = S::less(score, best[r].value);
      best[r].value = S::select(lower, score, best[r].value);
      best[r].index = S::select(lower, index, best[r].index);
    }
  }
}

// codes[r] = argmin_k |latent_r - e_k|^2 for `rows` vectors of D floats, lowest index on ties. A
// panel of codes is used for a group of rows while it is in the L1 cache.
template <class S>
inline void nearest_codes(const VqFusionPlan& plan, const float* latent, std::size_t rows,
                          std::int32_t* codes) {
  constexpr std::size_t group = 48;
  for (std::size_t first = 0; first < rows; first += group) {
    const std::size_t count = rows - first < group ? rows - first : group;
    LaneArgmin<S> best[group];
    for (std::size_t r = 0; r < count; ++r) {
      best[r] = {S::broadcast(INFINITY), S::broadcast(0.0f)};
    }
    for_each_panel<S>(plan.scores, [&](auto width, std::size_t column, const float* weights) {
      for_each_block<S>(count, [&](auto block, std::size_t row) {
        constexpr std::size_t R = decltype(block)::value;
        const float* vectors[R];
        for (std::size_t r = 0; r < R; ++r) {
          vectors[r] = latent + (first + row + r) * plan.code_width;
        }
        score_panel<S, R, decltype(width)::value>(plan, vectors, column, weights, best + row);
      });
    });
    for (std::size_t r = 0; r < count; ++r) codes[first + r] = best[r].lowest();
  }
}

// The nearest codes, and tokens = deep @ deep_weight + flatten(codebook[codes]) @ latent_weight +
// bias. The flattened map is never built: each code is read where it lies in the codebook.
template <class S, Precision P>
void vq_fuse(const VqFusionPlan& plan, const float* deep, const float* latent, std::size_t rows,
             float* tokens, std::int32_t* codes) noexcept {
  using Weight = std::conditional_t<P == Precision::float32, float, Pair>;
  const std::size_t width = plan.fusion.outputs;
  nearest_codes<S>(plan, latent, rows * plan.positions, codes);

  for_each_block<S>(rows, [&](auto block, std::size_t row) {
    constexpr std::size_t R = decltype(block)::value;
    for_each_panel<S, Weight>(
        plan.fusion, [&](auto vectors, std::size_t column, const Weight* weights) {
          constexpr std::size_t V = decltype(vectors)::value;
          const float* inputs[R];
          alignas(64) float acc[R * V * S::lanes];
          fill_rows<S, R>(acc, plan.fusion.bias + column, V * S::lanes);
          for (std::size_t r = 0; r < R; ++r) inputs[r] = deep + (row + r) * plan.deep_width;
          weights = multiply_add<S, R, V>(acc, inputs, weights, plan.deep_width);
          for (std::size_t p = 0; p < plan.positions; ++p) {
            for (std::size_t r = 0; r < R; ++r) {
              const std::int32_t code = codes[(row + r) * plan.positions + p];
              inputs[r] = plan.codebook + static_cast<std::size_t>(code) * plan.code_width;
            }
            weights = multiply_add<S, R, V>(acc, inputs, weights, plan.code_width);
          }
          const std::size_t left = width - column;
          const std::size_t count = left < V * S::lanes ? left : V * S::lanes;
          for (std::size_t r = 0; r < R; ++r) {
            std::memcpy(tokens + (row + r) * width + column, acc + r * V * S::lanes,
                        count * sizeof(float));
          }
        });
  });
}

}  // namespace edgeser
