#pragma once

#include <cstddef>

#include "simd/exp.hpp"
#include "simd/unroll.hpp"
#include "tacn/plan.hpp"

namespace edgeser {

// Q, K or V vectors of one stream's taps, newest first.
struct TapRows {
  const float* row[tacn_max_taps];
};

// Self-attention among the `Taps` tokens that one convolution reads, for `S::lanes` heads at once,
// or `count` of them if not Full. Vectors have heads fastest, so that a lane is a head and neither
// the dot products nor the softmax ever cross lanes. q, k, v and out point at the first of these
// heads; successive elements of a head lie `heads` floats apart.
template <class S, std::size_t Taps, bool Full>
inline void attend_heads(const TapRows& q, const TapRows& k, const TapRows& v, float* out,
                         std::size_t width, std::size_t heads, std::size_t head, std::size_t count,
                         typename S::Vec scale) {
  using Vec = typename S::Vec;
  const auto load = [=](const float* p) {
    if constexpr (Full) return S::load(p);
    return S::load(p, count);
  };
  const auto store = [=](float* p, Vec a) {
    if constexpr (Full) return S::store(p, a);
    S::store(p, a, count);
  };

  for (std::size_t i = 0; i < Taps; ++i) {
    Vec weight[Taps];
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Taps; ++m) weight[m] = S::broadcast(0.0f);
    for (std::size_t at = head; at < width; at += heads) {
      const Vec query = load(q.row[i] + at);
      EDGESER_UNROLL
      for (std::size_t m = 0; m < Taps; ++m) {
        weight[m] = S::fma(query, load(k.row[m] + at), weight[m]);
      }
    }

    Vec peak = weight[0] = S::mul(weight[0], scale);
    EDGESER_UNROLL
    for (std::size_t m = 1; m < Taps; ++m) {
      weight[m] = S::mul(weight[m], scale);
      peak = S::max(peak, weight[m]);
    }
    Vec sum = weight[0] = simd::exp_nonpositive<S>(S::sub(weight[0], peak));
    EDGESER_UNROLL
    for (std::size_t m = 1; m < Taps; ++m) {
      weight[m] = simd::exp_nonpositive<S>(S::sub(weight[m], peak));
      sum = S::add(sum, weight[m]);
    }
    const Vec inverse = S::div(S::broadcast(1.0f), sum);
    EDGESER_UNROLL
    for (std::size_t m = 0; m < Taps; ++m) weight[m] = S::mul(weight[m], inverse);

    float* to = out + i * width;
    for (std::size_t at = head; at < width; at += heads) {
      Vec mixed = S::mul(weight[0], load(v.row[0] + at));
      EDGESER_UNROLL
      for (std::size_t m = 1; m < Taps; ++m) {
        mixed = S::fma(weight[m], load(v.row[m] + at), mixed);
      }
      store(to + at, mixed);
    }
  }
}

// All heads of one stream's taps: row i of `out` (Taps, C) is concat_h softmax(Q_i K' / sqrt(C/h))
// V. Each of `rows` points at the Q, K, V of one token, side by side.
template <class S, std::size_t Taps>
inline void attend(const TapRows& rows, std::size_t width, std::size_t heads, float scale,
                   float* out) {
  TapRows q, k, v;
  for (std::size_t i = 0; i < Taps; ++i) {
    q.row[i] = rows.row[i];
    k.row[i] = rows.row[i] + width;
    v.row[i] = rows.row[i] + 2 * width;
  }
  const typename S::Vec factor = S::broadcast(scale);
  std::size_t head = 0;
  for (; head + S::lanes <= heads; head += S::lanes) {
    attend_heads<S, Taps, true>(q, k, v, out, width, heads, head, S::lanes, factor);
  }
  if (head < heads) {
    attend_heads<S, Taps, false>(q, k, v, out, width, heads, head, heads - head, factor);
  }
}

}  // namespace edgeser
