#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "random.hpp"
#include "tacn/tacn.hpp"

using namespace edgeser;

namespace {

struct Model {
  std::size_t n, c, k, o, h;
  std::vector<std::size_t> dilations;
  std::vector<float> query, key, value, output, taps, bias, head_weight, head_bias;

  Model(std::uint32_t seed, std::size_t c, std::size_t h, std::size_t k,
        std::vector<std::size_t> dilations, std::size_t o)
      : n(dilations.size()), c(c), k(k), o(o), h(h), dilations(std::move(dilations)) {
    Random random(seed);
    const float scale = 1.5f / std::sqrt(static_cast<float>(c));
    query = random.floats(n * c * c, scale);
    key = random.floats(n * c * c, scale);
    value = random.floats(n * c * c, scale);
    output = random.floats(n * c * c, scale);
    taps = random.floats(n * k * c * c, scale);
    bias = random.floats(n * c, 0.5f);
    head_weight = random.floats(c * o, scale);
    head_bias = random.floats(o);
  }

  TacnWeights weights() const {
    return {n,
            c,
            k,
            o,
            h,
            query.data(),
            key.data(),
            value.data(),
            output.data(),
            taps.data(),
            bias.data(),
            head_weight.data(),
            head_bias.data()};
  }
};

// A state block with the default alignment of allocations.
using State = std::vector<std::byte>;

// Logits (times, outputs) of tokens (times, C) from one state.
std::vector<float> run(const Tacn& tacn, const std::vector<float>& tokens, State& state) {
  const std::size_t times = tokens.size() / tacn.width();
  std::vector<float> logits(times * tacn.outputs());
  std::byte* const block = state.data();
  for (std::size_t t = 0; t < times; ++t) {
    tacn.step(tokens.data() + t * tacn.width(), &block, nullptr, 1,
              logits.data() + t * tacn.outputs());
  }
  return logits;
}

// Every level in every precision, with inputs in its rings and with Q, K and V.
std::vector<std::tuple<const Level*, Precision, bool>> every_kernel() {
  std::vector<std::tuple<const Level*, Precision, bool>> all;
  for (const Level* level : usable_levels()) {
    for (std::size_t p = 0; p < precision_count; ++p) {
      for (const bool projections : {false, true}) {
        all.emplace_back(level, static_cast<Precision>(p), projections);
      }
    }
  }
  return all;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

using Rows = std::vector<std::vector<double>>;  // (times, C)

std::vector<double> times_matrix(const std::vector<double>& x, const float* m, std::size_t out) {
  std::vector<double> y(out);
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t c = 0; c < out; ++c) y[c] += x[i] * m[i * out + c];
  }
  return y;
}

// One layer over a whole sequence, computed by the formulas.
Rows offline_layer(const Model& m, std::size_t n, const Rows& x) {
  const std::size_t cc = m.c * m.c, depth = m.c / m.h;
  Rows q, k, v, result = x;
  for (const auto& row : x) {
    q.push_back(times_matrix(row, m.query.data() + n * cc, m.c));
    k.push_back(times_matrix(row, m.key.data() + n * cc, m.c));
    v.push_back(times_matrix(row, m.value.data() + n * cc, m.c));
  }
  for (std::size_t t = 0; t < x.size(); ++t) {
    std::vector<double> z(m.bias.begin() + static_cast<std::ptrdiff_t>(n * m.c),
                          m.bias.begin() + static_cast<std::ptrdiff_t>((n + 1) * m.c));
    std::vector<std::size_t> at;
    for (std::size_t i = 0; i < m.k && i * m.dilations[n] <= t; ++i) {
      at.push_back(t - i * m.dilations[n]);
    }
    for (std::size_t i = 0; i < at.size(); ++i) {
      std::vector<double> mixed(m.c);
      for (std::size_t j = 0; j < m.h; ++j) {
        std::vector<double> weight;
        double sum = 0;
        for (const std::size_t other : at) {
          double score = 0;
          for (std::size_t e = j * depth; e < (j + 1) * depth; ++e)
            score += q[at[i]][e] * k[other][e];
          weight.push_back(std::exp(score / std::sqrt(static_cast<double>(depth))));
          sum += weight.back();
        }
        for (std::size_t o = 0; o < at.size(); ++o) {
          for (std::size_t e = j * depth; e < (j + 1) * depth; ++e) {
            mixed[e] += weight[o] / sum * v[at[o]][e];
          }
        }
      }
      const auto projected = times_matrix(mixed, m.output.data() + n * cc, m.c);
      const auto part = times_matrix(projected, m.taps.data() + (n * m.k + i) * cc, m.c);
      for (std::size_t c = 0; c < m.c; ++c) z[c] += part[c];
    }
    for (std::size_t c = 0; c < m.c; ++c) result[t][c] += std::fmax(z[c], 0);
  }
  return result;
}

std::vector<double> offline(const Model& m, const std::vector<float>& tokens) {
  Rows x;
  for (auto at = tokens.begin(); at != tokens.end(); at += static_cast<std::ptrdiff_t>(m.c)) {
    x.emplace_back(at, at + static_cast<std::ptrdiff_t>(m.c));
  }
  for (std::size_t n = 0; n < m.n; ++n) x = offline_layer(m, n, x);
  std::vector<double> logits;
  for (const auto& row : x) {
    const auto y = times_matrix(row, m.head_weight.data(), m.o);
    for (std::size_t o = 0; o < m.o; ++o) logits.push_back(y[o] + m.head_bias[o]);
  }
  return logits;
}

}  // namespace

TEST(tacn_steps_equal_the_whole_sequence_at_every_level) {
  for (const Model& m :
       {Model(1, 16, 8, 3, {1, 2, 4}, 5), Model(2, 24, 3, 2, {1, 2}, 1), Model(3, 5, 1, 8, {3}, 64),
        Model(4, 36, 18, 5, {2, 1}, 17), Model(5, 1, 1, 3, {1, 2}, 3)}) {
    const auto tokens = Random(9).floats(40 * m.c);
    const auto want = offline(m, tokens);
    std::vector<float> first;
    for (const Level* level : usable_levels()) {
      const Tacn tacn(*level, m.weights(), m.dilations);
      State state(tacn.state_bytes());
      const auto got = run(tacn, tokens, state);
      for (std::size_t i = 0; i < want.size(); ++i) CHECK_NEAR(got[i], want[i], 2e-5);
      if (first.empty()) first = got;
      CHECK(same_bits(got, first));
    }
  }
}

// A state that was saved on one machine continues with the same bits on another.
TEST(tacn_bits_are_the_same_on_every_machine) {
  const Model m(14, 24, 3, 3, {1, 2, 4}, 5);
  const auto tokens = Random(15).floats(40 * m.c);
  const auto check = [&](Precision precision, std::uint32_t first, std::uint32_t second) {
    for (const Level* level : usable_levels()) {
      for (const bool projections : {false, true}) {
        const Tacn tacn(*level, m.weights(), m.dilations, precision, projections);
        State state(tacn.state_bytes());
        CHECK_EQUAL(bits_hash(run(tacn, tokens, state)), first);
        CHECK_EQUAL(bits_hash(run(tacn, tokens, state)), second);  // and the same after a restore
      }
    }
  };
  check(Precision::float32, 4070305339u, 3775090752u);
  check(Precision::bfloat16, 2038863667u, 2836391324u);
  check(Precision::int8, 3542434507u, 3642058403u);
}

TEST(tacn_lower_precisions_come_close) {
  const Model m(16, 24, 3, 3, {1, 2, 4}, 5);
  const auto tokens = Random(9).floats(40 * m.c);
  const auto want = offline(m, tokens);
  for (const Level* level : usable_levels()) {
    for (const auto& [precision, tolerance] :
         {std::pair{Precision::bfloat16, 0.02}, std::pair{Precision::int8, 0.1}}) {
      const Tacn tacn(*level, m.weights(), m.dilations, precision);
      State state(tacn.state_bytes());
      const auto got = run(tacn, tokens, state);
      for (std::size_t i = 0; i < want.size(); ++i) CHECK_NEAR(got[i], want[i], tolerance);
    }
  }
}

TEST(tacn_declares_itself) {
  const Model m(6, 12, 4, 3, {1, 2, 4, 8}, 5);
  const Tacn tacn(find_level(nullptr), m.weights(), m.dilations);
  CHECK(tacn.receptive_field() == 1 + 2 * 15);
  CHECK(tacn.state_bytes() == 64 + 2 * 15 * 12 * 4);
  const auto bytes = [&](Precision precision, bool projections) {
    return Tacn(find_level(nullptr), m.weights(), m.dilations, precision, projections)
        .state_bytes();
  };
  CHECK_EQUAL(bytes(Precision::bfloat16, false), tacn.state_bytes());
  CHECK_EQUAL(bytes(Precision::int8, false), std::size_t{64 + 2 * 15 * (4 + 12)});
  CHECK_EQUAL(bytes(Precision::int8, true), std::size_t{64 + 2 * 15 * 3 * 12 * 4});
  CHECK(tacn.width() == 12 && tacn.layers() == 4 && tacn.heads() == 4);
  CHECK(tacn.taps() == 3 && tacn.outputs() == 5);
}

// Other backends share the block, so its layout is part of the interface.
TEST(tacn_state_layout) {
  const Model m(7, 6, 3, 3, {1, 2}, 2);
  const auto tokens = Random(10).floats(7 * m.c);
  const Tacn small(find_level(nullptr), m.weights(), m.dilations);
  State inputs(small.state_bytes());
  run(small, tokens, inputs);
  for (const std::size_t token : {5u, 6u}) {
    CHECK(std::memcmp(&inputs[64 + token % 2 * m.c * sizeof(float)], &tokens[token * m.c],
                      m.c * sizeof(float)) == 0);
  }
  const Tacn tacn(find_level(nullptr), m.weights(), m.dilations, Precision::float32, true);
  State state(tacn.state_bytes());
  run(tacn, tokens, state);
  CHECK(state_counter(state.data()) == 7);
  CHECK(
      std::all_of(state.begin() + 8, state.begin() + 64, [](auto b) { return b == std::byte{0}; }));

  // Layer 0 has 2 slots: token 6 is in slot 0, token 5 in slot 1. Projections of the first layer
  // are those of the tokens themselves.
  const auto* const ring = reinterpret_cast<const float*>(state.data() + 64);
  const float* const sources[] = {m.query.data(), m.key.data(), m.value.data()};
  for (const std::size_t token : {5u, 6u}) {
    for (std::size_t part = 0; part < 3; ++part) {
      for (std::size_t c = 0; c < m.c; ++c) {
        double want = 0;
        for (std::size_t i = 0; i < m.c; ++i) {
          want += double{tokens[token * m.c + i]} * sources[part][i * m.c + c];
        }
        const std::size_t head = c / 2, element = c % 2;
        CHECK_NEAR(ring[(token % 2 * 3 + part) * m.c + element * 3 + head], want, 1e-5);
      }
    }
  }
}

TEST(tacn_batches_of_any_ages_equal_single_streams) {
  const Model m(8, 24, 8, 3, {1, 2, 4}, 5);
  const std::size_t streams = 71;  // more than one block of rows
  for (const auto& [level, precision, projections] : every_kernel()) {
    const Tacn tacn(*level, m.weights(), m.dilations, precision, projections);
    Random random(11);
    std::vector<State> batch(streams, State(tacn.state_bytes()));
    for (std::size_t s = 0; s < streams; ++s) run(tacn, random.floats(s % 20 * m.c), batch[s]);
    std::vector<State> alone = batch;

    const auto tokens = random.floats(streams * m.c);
    std::vector<std::byte*> blocks;
    for (State& state : batch) blocks.push_back(state.data());
    bool active[streams];
    for (std::size_t s = 0; s < streams; ++s) active[s] = s % 3 != 1;
    std::vector<float> logits(streams * m.o, 77.0f);
    tacn.step(tokens.data(), blocks.data(), active, streams, logits.data());

    for (std::size_t s = 0; s < streams; ++s) {
      const std::vector<float> got(&logits[s * m.o], &logits[s * m.o] + m.o);
      if (active[s]) {
        const std::vector<float> token(&tokens[s * m.c], &tokens[s * m.c] + m.c);
        CHECK(same_bits(run(tacn, token, alone[s]), got));
      } else {
        CHECK(got == std::vector<float>(m.o, 77.0f));
      }
      CHECK(batch[s] == alone[s]);
    }
  }
}

TEST(tacn_names_bad_sizes) {
  const Level& level = find_level(nullptr);
  const Model m(12, 6, 3, 3, {1, 2}, 2);
  const auto build = [&](auto change, std::vector<std::size_t> dilations = {1, 2}) {
    TacnWeights w = m.weights();
    change(w);
    return Tacn(level, w, dilations).width();
  };
  CHECK(build([](TacnWeights&) {}) == 6);
  CHECK_ERROR(build([](TacnWeights& w) { w.heads = 4; }), "heads must divide");
  CHECK_ERROR(build([](TacnWeights& w) { w.heads = 0; }), "heads must divide");
  CHECK_ERROR(build([](TacnWeights& w) { w.width = 513; }), "width must be 1..512");
  CHECK_ERROR(build([](TacnWeights& w) { w.taps = 1; }), "taps must be 2..8");
  CHECK_ERROR(build([](TacnWeights& w) { w.taps = 9; }), "taps must be 2..8");
  CHECK_ERROR(build([](TacnWeights& w) { w.outputs = 65; }), "outputs must be 1..64");
  CHECK_ERROR(build([](TacnWeights&) {}, {1}), "dilations: expected one for each");
  CHECK_ERROR(build([](TacnWeights&) {}, {1, 0}), "dilation must be 1..");
  const std::vector<float> huge(2 * 6 * 6, 3e38f);
  CHECK_ERROR(build([&](TacnWeights& w) { w.output = huge.data(); }), "too large");
}

TEST(tacn_names_alien_states) {
  const Model m(13, 6, 3, 3, {1, 2}, 2);
  const Tacn tacn(find_level(nullptr), m.weights(), m.dilations);
  State a(tacn.state_bytes()), b(tacn.state_bytes());
  set_state_counter(b.data(), -3);
  std::byte* blocks[] = {a.data(), b.data()};
  CHECK_ERROR(tacn.check_states(blocks, 2), "states[1]");
  blocks[1] = a.data();
  CHECK_ERROR(tacn.check_states(blocks, 2), "overlap");
}
