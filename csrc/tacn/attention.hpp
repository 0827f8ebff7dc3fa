#pragma once

#include <cstddef>

#include "simd/compiler.hpp"
#include "simd/exp.hpp"
#include "tacn/plan.hpp"

namespace edgeser {

// The tokens that one convolution of one stream reads, newest first: each points at the Q, K and V
// of one token, side by side.
struct Taps {
  std::size_t count;
  const float* row[tacn_max_taps];
};

// Self-attention among the first `Count` taps, for the S::lanes heads from `head` on, or only
// `lanes` of them if not Full. Vectors have heads fastest, so that a lane is a head and neither the
// dot products nor the softmax ever cross lanes; elements of a head lie `heads` floats apart.
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
  EDGESER_UNROLL
  for (std::size_t i = 0; i < Count; ++i) {
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Count; ++m) weight[i][m] = S::broadcast(0.0f);
  }
  for (std::size_t at = head; at < width; at += heads) {
    Vec key[Count];
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Count; ++m) key[m] = load(row[m] + width + at);
    EDGESER_UNROLL
    for (std::size_t i = 0; i < Count; ++i) {
      const Vec query = load(row[i] + at);
      EDGESER_UNROLL
      for (std::size_t m = 0; m < Count; ++m) weight[i][m] = S::fma(query, key[m], weight[i][m]);
    }
  }

  const Vec factor = S::broadcast(scale);
  EDGESER_UNROLL
  for (std::size_t i = 0; i < Count; ++i) {
    Vec peak = weight[i][0] = S::mul(weight[i][0], factor);
    EDGESER_UNROLL
    for (std::size_t m = 1; m < Count; ++m) {
      weight[i][m] = S::mul(weight[i][m], factor);
      peak = S::max(peak, weight[i][m]);
    }
    Vec sum = weight[i][0] = simd::exp_nonpositive<S>(S::sub(weight[i][0], peak));
    EDGESER_UNROLL
    for (std::size_t m = 1; m < Count; ++m) {
      weight[i][m] = simd::exp_nonpositive<S>(S::sub(weight[i][m], peak));
      sum = S::add(sum, weight[i][m]);
    }
    const Vec inverse = S::div(S::broadcast(1.0f), sum);
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Count; ++m) weight[i][m] = S::mul(weight[i][m], inverse);
  }

  for (std::size_t at = head; at < width; at += heads) {
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

// All heads of one stream: row i of `out` (Count, C) is concat_h softmax(Q_i K' scale) V.
template <class S, std::size_t Count>
inline void attend(const Taps& taps, std::size_t width, std::size_t heads, float scale,
                   float* out) {
  using Narrow = typename S::Narrow;
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
