#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "matrix/multiply.hpp"
#include "vq_fusion/plan.hpp"

namespace edgeser {

// The index of the lowest score so far, in each lane: `value` starts at +inf, so that lanes beyond
// the last code (whose score is +inf) never win. Indices are floats, exact up to 2^24.
template <class S>
struct LaneArgmin {
  typename S::Vec value;
  typename S::Vec index;

  // The lowest over all lanes; among equal ones, the lowest index.
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

// Updates `best` of R rows with the scores of the codes from `column` on.
template <class S, std::size_t R, std::size_t V>
inline void keep_lowest(const typename S::Vec (&scores)[R][V], std::size_t column,
                        LaneArgmin<S>* best) {
  EDGESER_UNROLL
  for (std::size_t v = 0; v < V; ++v) {
    const typename S::Vec index =
        S::add(S::iota(), S::broadcast(static_cast<float>(column + v * S::lanes)));
    EDGESER_UNROLL
    for (std::size_t r = 0; r < R; ++r) {
      const typename S::Mask lower = S::less(scores[r][v], best[r].value);
      best[r].value = S::select(lower, scores[r][v], best[r].value);
      best[r].index = S::select(lower, index, best[r].index);
    }
  }
}

// The same for a tile of codes with this many values: total + x @ weights, in one run. Rows of
// `total` are `total_stride` apart.
template <class S, std::size_t R, std::size_t V>
EDGESER_NOINLINE void score_tile(const float* const (&x)[R], const float* weights,
                                 std::size_t stride, std::size_t inputs, const float* total,
                                 std::size_t total_stride, std::size_t column,
                                 LaneArgmin<S>* best) {
  typename S::Vec score[R][V];
  multiply_run<S>(score, x, weights, stride, inputs);
  EDGESER_UNROLL
  for (std::size_t r = 0; r < R; ++r) {
    EDGESER_UNROLL
    for (std::size_t v = 0; v < V; ++v) {
      score[r][v] = S::add(S::load(total + r * total_stride + v * S::lanes), score[r][v]);
    }
  }
  keep_lowest<S>(score, column, best);
}

// The same for one panel of codes.
template <class S, std::size_t R, std::size_t V>
inline void score_panel(const VqFusionPlan& plan, const float* const (&vectors)[R],
                        std::size_t column, const float* weights, LaneArgmin<S>* best) {
  constexpr std::size_t stride = V * S::lanes;
  const float* from[R];
  for (std::size_t r = 0; r < R; ++r) from[r] = vectors[r];
  const float* total = plan.scores.bias + column;
  std::size_t inputs = plan.code_width, total_stride = 0;
  alignas(64) float scores[R * stride];
  if (inputs > longest_run) {  // all runs but the last
    const Run last = run_at<S>(inputs, run_count<S>(inputs) - 1);
    fill_rows<S, R>(scores, total, stride);
    weights = multiply_add<S, R, V>(scores, vectors, weights, inputs, run_count<S>(inputs) - 1);
    for (std::size_t r = 0; r < R; ++r) from[r] += last.start;
    inputs = last.count;
    total = scores;
    total_stride = stride;
  }
  for_each_tile<S, R, V>([&](auto width, auto first) {
    const std::size_t at = first.value * S::lanes;
    score_tile<S, R, decltype(width)::value>(from, weights + at, stride, inputs, total + at,
                                             total_stride, column + at, best);
  });
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

// acc (R, V * lanes) += the contribution of the codes of R rows to one panel of the token. The
// flattened code vectors are never copied; each is read from the table or the codebook.
template <class S, std::size_t R, std::size_t V, class Weight>
inline void add_codes(const VqFusionPlan& plan, const std::int32_t* codes, const Weight* weights,
                      float* acc) {
  if (plan.premultiplied) {
    for (std::size_t r = 0; r < R; ++r, codes += plan.positions) {
      typename S::Vec sum[V];
      load_row<S>(sum, acc + r * V * S::lanes);
      for (std::size_t p = 0; p < plan.positions; ++p) {
        typename S::Vec worth[V];
        const std::size_t row = p * plan.codes + static_cast<std::size_t>(codes[p]);
        load_row<S>(worth, weights + row * row_size<S, Weight>(V));
        EDGESER_UNROLL
        for (std::size_t v = 0; v < V; ++v) sum[v] = S::add(sum[v], worth[v]);
      }
      EDGESER_UNROLL
      for (std::size_t v = 0; v < V; ++v) S::store(acc + (r * V + v) * S::lanes, sum[v]);
    }
    return;
  }
  for (std::size_t p = 0; p < plan.positions; ++p) {
    const float* vectors[R];
    for (std::size_t r = 0; r < R; ++r) {
      const auto code = static_cast<std::size_t>(codes[r * plan.positions + p]);
      vectors[r] = plan.codebook + code * plan.code_width;
    }
    weights = multiply_add<S, R, V>(acc, vectors, weights, plan.code_width,
                                    run_count<S>(plan.code_width));
  }
}

// The nearest codes, and tokens = deep @ deep_weight + flatten(codebook[codes]) @ latent_weight +
// bias.
template <class S, Precision P>
void vq_fuse(const VqFusionPlan& plan, const float* deep, const float* latent, std::size_t rows,
             float* tokens, std::int32_t* codes) noexcept {
  using Weight = std::conditional_t<P == Precision::float32, float, Pair>;
  const std::size_t width = plan.deep.outputs;
  nearest_codes<S>(plan, latent, rows * plan.positions, codes);

  for_each_block<S>(rows, [&](auto block, std::size_t row) {
    constexpr std::size_t R = decltype(block)::value;
    for_each_panel<S, Weight>(plan.deep, [&](auto vectors, std::size_t column,
                                             const Weight* weights) {
      constexpr std::size_t V = decltype(vectors)::value;
      const float* inputs[R];
      alignas(64) float acc[R * V * S::lanes];
      fill_rows<S, R>(acc, plan.deep.bias + column, V * S::lanes);
      for (std::size_t r = 0; r < R; ++r) inputs[r] = deep + (row + r) * plan.deep_width;
      multiply_add<S, R, V>(acc, inputs, weights, plan.deep_width, run_count<S>(plan.deep_width));
      add_codes<S, R, V>(plan, codes + row * plan.positions,
                         panel_at<S, Weight>(plan.latent, column), acc);
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
