#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

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

// codes[r] = argmin_k |latent_r - e_k|^2 for `rows` vectors of D floats, lowest index on ties.
template <class S>
inline void nearest_codes(const VqFusionPlan& plan, const float* latent, std::size_t rows,
                          std::int32_t* codes) {
  for_each_block<S>(rows, [&](auto block, std::size_t row) {
    constexpr std::size_t R = decltype(block)::value;
    const float* vectors[R];
    LaneArgmin<S> best[R];
    for (std::size_t r = 0; r < R; ++r) {
      vectors[r] = latent + (row + r) * plan.code_width;
      best[r] = {S::broadcast(INFINITY), S::broadcast(0.0f)};
    }
    for_each_panel<S>(plan.scores, [&](auto width, std::size_t column, const float* weights) {
      constexpr std::size_t V = decltype(width)::value;
      typename S::Vec score[R][V];
      EDGESER_UNROLL
      for (std::size_t v = 0; v < V; ++v) {
        const typename S::Vec norm = S::load(plan.scores.bias + column + v * S::lanes);
        EDGESER_UNROLL
        for (std::size_t r = 0; r < R; ++r) score[r][v] = norm;
      }
      multiply_add<S>(score, vectors, weights, plan.code_width);
      EDGESER_UNROLL
      for (std::size_t v = 0; v < V; ++v) {
        const typename S::Vec index =
            S::add(S::iota(), S::broadcast(static_cast<float>(column + v * S::lanes)));
        EDGESER_UNROLL
        for (std::size_t r = 0; r < R; ++r) {
          const typename S::Mask lower = S::less(score[r][v], best[r].value);
          best[r].value = S::select(lower, score[r][v], best[r].value);
          best[r].index = S::select(lower, index, best[r].index);
        }
      }
    });
    for (std::size_t r = 0; r < R; ++r) codes[row + r] = best[r].lowest();
  });
}

// The nearest codes, and tokens = deep @ deep_weight + flatten(codebook[codes]) @ latent_weight +
// bias. The flattened map is never built: each code is read where it lies in the codebook.
template <class S>
void vq_fuse(const VqFusionPlan& plan, const float* deep, const float* latent, std::size_t rows,
             float* tokens, std::int32_t* codes) noexcept {
  const std::size_t width = plan.fusion.outputs;
  nearest_codes<S>(plan, latent, rows * plan.positions, codes);

  for_each_block<S>(rows, [&](auto block, std::size_t row) {
    constexpr std::size_t R = decltype(block)::value;
    for_each_panel<S>(plan.fusion, [&](auto vectors, std::size_t column, const float* weights) {
      constexpr std::size_t V = decltype(vectors)::value;
      const float* inputs[R];
      typename S::Vec acc[R][V];
      EDGESER_UNROLL
      for (std::size_t r = 0; r < R; ++r) {
        inputs[r] = deep + (row + r) * plan.deep_width;
        EDGESER_UNROLL
        for (std::size_t v = 0; v < V; ++v) {
          acc[r][v] = S::load(plan.fusion.bias + column + v * S::lanes);
        }
      }
      weights = multiply_add<S>(acc, inputs, weights, plan.deep_width);
      for (std::size_t p = 0; p < plan.positions; ++p) {
        for (std::size_t r = 0; r < R; ++r) {
          const std::int32_t code = codes[(row + r) * plan.positions + p];
          inputs[r] = plan.codebook + static_cast<std::size_t>(code) * plan.code_width;
        }
        weights = multiply_add<S>(acc, inputs, weights, plan.code_width);
      }
      EDGESER_UNROLL
      for (std::size_t r = 0; r < R; ++r) {
        float* const to = tokens + (row + r) * width + column;
        EDGESER_UNROLL
        for (std::size_t v = 0; v < V; ++v) {
          const std::size_t at = column + v * S::lanes;
          if (at + S::lanes <= width) {
            S::store(to + v * S::lanes, acc[r][v]);
          } else {
            S::store(to + v * S::lanes, acc[r][v], width - at);
          }
        }
      }
    });
  });
}

}  // namespace edgeser
