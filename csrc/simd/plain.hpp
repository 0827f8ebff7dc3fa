#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "matrix/matrix.hpp"

namespace edgeser::simd {

// Portable C++: the level that every machine supports, and the definition of each operation.
// std::fma rounds once, like vector instructions, so all levels return the same bits.
struct Plain {
  static constexpr const char* name = "plain";
  static constexpr std::size_t lanes = 4;
  static constexpr std::size_t registers = 16;
  static constexpr std::size_t panel_vectors = 2;
  static constexpr std::size_t block_rows = 2;
  static constexpr std::size_t int_rows = 2;
  using Narrow = Plain;

  struct Vec {
    float lane[lanes];
  };
  struct Mask {
    bool lane[lanes];
  };

  template <class F>
  static Vec map(F f) {
    Vec r;
    for (std::size_t i = 0; i < lanes; ++i) r.lane[i] = f(i);
    return r;
  }

  static Vec broadcast(float x) {
    return map([&](std::size_t) { return x; });
  }
  static Vec iota() {
    return map([](std::size_t i) { return static_cast<float>(i); });
  }
  static Vec load(const float* p) {
    return map([&](std::size_t i) { return p[i]; });
  }
  static Vec load(const float* p, std::size_t count) {
    return map([&](std::size_t i) { return i < count ? p[i] : 0.0f; });
  }
  static void store(float* p, Vec a) { std::memcpy(p, a.lane, sizeof a.lane); }
  static void store(float* p, Vec a, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) p[i] = a.lane[i];
  }

  static Vec add(Vec a, Vec b) {
    return map([&](std::size_t i) { return a.lane[i] + b.lane[i]; });
  }
  static Vec sub(Vec a, Vec b) {
    return map([&](std::size_t i) { return a.lane[i] - b.lane[i]; });
  }
  static Vec mul(Vec a, Vec b) {
    return map([&](std::size_t i) { return a.lane[i] * b.lane[i]; });
  }
  static Vec div(Vec a, Vec b) {
    return map([&](std::size_t i) { return a.lane[i] / b.lane[i]; });
  }
  // a * b + c, rounded once.
  static Vec fma(Vec a, Vec b, Vec c) {
    return map([&](std::size_t i) { return std::fma(a.lane[i], b.lane[i], c.lane[i]); });
  }
  // a > b ? a : b, so b where either is NaN: the rule of x86's maxps, kept by every level.
  static Vec max(Vec a, Vec b) {
    return map([&](std::size_t i) { return a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]; });
  }
  static Mask less(Vec a, Vec b) {
    Mask m;
    for (std::size_t i = 0; i < lanes; ++i) m.lane[i] = a.lane[i] < b.lane[i];
    return m;
  }
  static Vec select(Mask m, Vec yes, Vec no) {
    return map([&](std::size_t i) { return m.lane[i] ? yes.lane[i] : no.lane[i]; });
  }
  // Adds the low bits of `n` to the exponent of `a`: a * 2^n for n in exp.hpp's biased form.
  static Vec add_exponent(Vec a, Vec n) {
    Vec r;
    for (std::size_t i = 0; i < lanes; ++i) {
      std::uint32_t bits, shift;
      std::memcpy(&bits, &a.lane[i], sizeof bits);
      std::memcpy(&shift, &n.lane[i], sizeof shift);
      bits += shift << 23;
      std::memcpy(&r.lane[i], &bits, sizeof bits);
    }
    return r;
  }
  // For normal a > 0: e and m of a = m * 2^e with m in [1, 2).
  static Vec exponent(Vec a) {
    Vec r;
    for (std::size_t i = 0; i < lanes; ++i) {
      std::uint32_t bits;
      std::memcpy(&bits, &a.lane[i], sizeof bits);
      r.lane[i] = static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 127);
    }
    return r;
  }
  static Vec mantissa(Vec a) {
    Vec r;
    for (std::size_t i = 0; i < lanes; ++i) {
      std::uint32_t bits;
      std::memcpy(&bits, &a.lane[i], sizeof bits);
      bits = (bits & 0x007fffffu) | 0x3f800000u;
      std::memcpy(&r.lane[i], &bits, sizeof bits);
    }
    return r;
  }

  // bfloat16: the two interleaved vectors of weights at p, widened.
  static void load(const Pair* p, Vec& low, Vec& high) {
    for (std::size_t i = 0; i < lanes; ++i) {
      const std::uint32_t halves[] = {p[i].bits << 16, p[i].bits & 0xffff0000u};
      std::memcpy(&low.lane[i], &halves[0], sizeof(float));
      std::memcpy(&high.lane[i], &halves[1], sizeof(float));
    }
  }

  // int8: a lane sums the products of four weights of one output with four inputs.
  struct Ints {
    std::int32_t lane[lanes];
  };
  using Input = std::uint8_t;
  struct Weights {
    std::int8_t byte[4 * lanes];
  };
  struct Inputs {
    std::int8_t byte[4];
  };
  // What is stored for an input of zero, so that all inputs fit the type that `dot` wants.
  static constexpr int byte_zero = 0;
  // How many inputs of a quad `dot` takes; `part` is the first of those that weights are loaded
  // for.
  static constexpr std::size_t dot_inputs = 4;

  static Ints load_ints(const std::int32_t* p) {
    Ints r;
    std::memcpy(r.lane, p, sizeof r.lane);
    return r;
  }
  static Vec to_float(Ints a) {
    return map([&](std::size_t i) { return static_cast<float>(a.lane[i]); });
  }
  // The lowest byte of each lane.
  static void store_inputs(Input* p, Vec a) {
    for (std::size_t i = 0; i < lanes; ++i) {
      std::uint32_t bits;
      std::memcpy(&bits, &a.lane[i], sizeof bits);
      p[i] = static_cast<std::uint8_t>(bits);
    }
  }
  static Weights load_weights(const std::int8_t* p, std::size_t) {
    Weights r;
    std::memcpy(r.byte, p, sizeof r.byte);
    return r;
  }
  static Inputs broadcast_inputs(const Input* p) {
    Inputs r;
    std::memcpy(r.byte, p, sizeof r.byte);
    return r;
  }
  static Ints dot(Ints sum, Inputs x, Weights w) {
    for (std::size_t i = 0; i < lanes; ++i) {
      for (std::size_t j = 0; j < 4; ++j) sum.lane[i] += x.byte[j] * w.byte[4 * i + j];
    }
    return sum;
  }
};

}  // namespace edgeser::simd
