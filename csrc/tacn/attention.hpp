#pragma once

#include <cstddef>

#include "simd/compiler.hpp"
#include "simd/exp.hpp"
#include "tacn/plan.hpp"

namespace edgeser {

// The tokens that one convolution of one stream reads, newest first. Each pointer leads to the Q, K
// and V of one token, side by side.
struct Taps {
  std::size_t count;
  const float* row[tacn_max_taps];
};

// A score is the sum over the even elements of a head plus the sum over the odd ones, each from
// zero in ascending order, so that vectors of two elements of all heads and of one element give the
// same bits.

// sum[i][m] += Q_i K_m for the elements at `first`, `first + step`, ... of the width.
template <class S, std::size_t Queries, std::size_t Keys, class Load>
inline void add_scores(typename S::Vec (&sum)[Queries][Keys],
                       const float* const (&query_row)[Queries],
                       const float* const (&key_row)[Keys], std::size_t width, std::size_t first,
                       std::size_t step, Load&& load) {
  using Vec = typename S::Vec;
  for (std::size_t at = first; at < width; at += step) {
    Vec key[Keys];
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Keys; ++m) key[m] = load(key_row[m] + width + at);
    EDGESER_UNROLL
    for (std::size_t i = 0; i < Queries; ++i) {
      const Vec query = load(query_row[i] + at);
      EDGESER_UNROLL
      for (std::size_t m = 0; m < Keys; ++m) sum[i][m] = S::fma(query, key[m], sum[i][m]);
    }
  }
}

// Turns the scores of one query into its weights.
template <class S, std::size_t Keys>
inline void softmax(typename S::Vec (&weight)[Keys], typename S::Vec factor) {
  using Vec = typename S::Vec;
  Vec peak = weight[0] = S::mul(weight[0], factor);
  EDGESER_UNROLL
  for (std::size_t m = 1; m < Keys; ++m) {
    weight[m] = S::mul(weight[m], factor);
    peak = S::max(peak, weight[m]);
  }
  Vec sum = weight[0] = simd::exp_nonpositive<S>(S::sub(weight[0], peak));
  EDGESER_UNROLL
  for (std::size_t m = 1; m < Keys; ++m) {
    weight[m] = simd::exp_nonpositive<S>(S::sub(weight[m], peak));
    sum = S::add(sum, weight[m]);
  }
  const Vec inverse = S::div(S::broadcast(1.0f), sum);
  EDGESER_UNROLL
  for (std::size_t m = 0; m < Keys; ++m) weight[m] = S::mul(weight[m], inverse);
}

// out_i = sum_m weight[i][m] V_m, for the elements at `first`, `first + step`, ... of the width.
template <class S, std::size_t Count, class Load, class Store>
inline void mix(const typename S::Vec (&weight)[Count][Count], const float* const (&row)[Count],
                std::size_t width, std::size_t first, std::size_t step, float* out, Load&& load,
                Store&& store) {
  using Vec = typename S::Vec;
  for (std::size_t at = first; at < width; at += step) {
    Vec value[Count];
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Count; ++m) value[m] = load(row[m] + 2 * width + at);
    EDGESER_UNROLL
    for (std::size_t i = 0; i < Count; ++i) {
      Vec mixed = S::mul(weight[i][0], value[0]);
      EDGESER_UNROLL
      for (std::size_t m = 1; m < Count; ++m) mixed = S::fma(weight[i][m], value[m], mixed);
      store(out + i * width + at, mixed);
    }
  }
}

template <class S, std::size_t Rows, std::size_t Columns>
inline void clear(typename S::Vec (&a)[Rows][Columns]) {
  EDGESER_UNROLL
  for (std::size_t i = 0; i < Rows; ++i) {
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Columns; ++m) a[i][m] = S::broadcast(0.0f);
  }
}

// Self-attention among the first `Count` taps, for the S::lanes heads from `head` on, or only
// `lanes` of them if not Full. Heads are the fastest axis, so a lane is a head, and neither dot
// products nor softmax cross lanes; elements of a head are `heads` floats apart.
template <class S, std::size_t Count, bool Full>
inline void attend_heads(const Taps& taps, std::size_t width, std::size_t heads, std::size_t head,
                         std::size_t lanes, float scale, float* out) {
  using Vec = typename S::Vec;
  const auto load = [=](const float* p) {
    if constexpr (Full) return S::load(p);
    return S::load(p, lanes);
  };
  const auto store = [=](float* p, Vec a) {
    if constexpr (Full) return S::store(p, a);
    S::store(p, a, lanes);
  };
  const float* row[Count];
  for (std::size_t i = 0; i < Count; ++i) row[i] = taps.row[i];

  Vec weight[Count][Count];  // of query i for key m
  Vec odd[Count][Count];
  clear<S>(odd);
  add_scores<S>(odd, row, row, width, head + heads, 2 * heads, load);
  clear<S>(weight);
  add_scores<S>(weight, row, row, width, head, 2 * heads, load);
  const Vec factor = S::broadcast(scale);
  EDGESER_UNROLL
  for (std::size_t i = 0; i < Count; ++i) {
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Count; ++m) weight[i][m] = S::add(weight[i][m], odd[i][m]);
    softmax<S>(weight[i], factor);
  }
  mix<S>(weight, row, width, head, heads, out, load, store);
}

// The same if two elements of all heads fill a vector: lane l is head l of an even element, lane l
// + lanes/2 the same head of an odd one. Two queries share the vectors of a softmax.
template <class S, std::size_t Count>
inline void attend_pairs(const Taps& taps, std::size_t width, float scale, float* out) {
  using Vec = typename S::Vec;
  const auto load = [](const float* p) { return S::load(p); };
  const auto store = [](float* p, Vec a) { S::store(p, a); };
  const float* row[Count];
  for (std::size_t i = 0; i < Count; ++i) row[i] = taps.row[i];

  Vec weight[Count][Count];
  clear<S>(weight);
  add_scores<S>(weight, row, row, width, 0, S::lanes, load);
  const Vec factor = S::broadcast(scale);
  EDGESER_UNROLL
  for (std::size_t i = 0; i < Count; i += 2) {
    const std::size_t next = i + 1 < Count ? i + 1 : i;
    Vec both[Count];
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Count; ++m) {
      both[m] = S::add(S::lower_halves(weight[i][m], weight[next][m]),
                       S::upper_halves(weight[i][m], weight[next][m]));
    }
    softmax<S>(both, factor);
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Count; ++m) {
      weight[i][m] = S::lower_halves(both[m], both[m]);
      if (next > i) weight[next][m] = S::upper_halves(both[m], both[m]);
    }
  }
  mix<S>(weight, row, width, 0, S::lanes, out, load, store);
}

// All heads of one stream: row i of `out` (Count, C) is concat_h softmax(Q_i K' scale) V.
template <class S, std::size_t Count>
EDGESER_NOINLINE void attend(const Taps& taps, std::size_t width, std::size_t heads, float scale,
                             float* out) {
  using Narrow = typename S::Narrow;
  if constexpr (S::lanes == 2 * Narrow::lanes) {
    if (heads == Narrow::lanes && width % S::lanes == 0) {
      return attend_pairs<S, Count>(taps, width, scale, out);
    }
  }
  std::size_t head = 0;
  for (; head + S::lanes <= heads; head += S::lanes) {
    attend_heads<S, Count, true>(taps, width, heads, head, S::lanes, scale, out);
  }
  for (; head + Narrow::lanes <= heads; head += Narrow::lanes) {
    attend_heads<Narrow, Count, true>(taps, width, heads, head, Narrow::lanes, scale, out);
  }
  if (head < heads) {
    attend_heads<Narrow, Count, false>(taps, width, heads, head, heads - head, scale, out);
  }
}

}  // namespace edgeser
