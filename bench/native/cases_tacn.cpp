#include <cmath>

#include "case.hpp"
#include "tacn/tacn.hpp"

namespace edgeser::bench {
namespace {

constexpr std::size_t layers = 8, taps = 3, heads = 8, outputs = 5;

struct Streams {
  // With `reach` every layer looks twice as far back as the one before it; else one token, so that
  // the rings of many streams stay in cache.
  Streams(const Level& level, std::size_t width, Precision precision, std::size_t count, bool reach,
          bool projections = false) {
    const float scale = 1.0f / std::sqrt(static_cast<float>(width));
    const auto square = [&] { return random_floats(layers * width * width, scale); };
    const std::vector<float> query = square(), key = square(), value = square(), output = square();
    const std::vector<float> filters = random_floats(layers * taps * width * width, scale / 1.7f);
    const std::vector<float> bias = random_floats(layers * width, 0.3f);
    const std::vector<float> head = random_floats(width * outputs, scale);
    const std::vector<float> head_bias = random_floats(outputs, 1.0f);
    std::vector<std::size_t> dilations;
    for (std::size_t n = 0; n < layers; ++n) dilations.push_back(reach ? std::size_t{1} << n : 1);
    tacn = std::make_unique<Tacn>(
        level,
        TacnWeights{layers, width, taps, outputs, heads, query.data(), key.data(), value.data(),
                    output.data(), filters.data(), bias.data(), head.data(), head_bias.data()},
        dilations, precision, projections);
    tokens = random_floats(count * width, 1.0f);
    logits.resize(count * outputs);
    for (std::size_t s = 0; s < count; ++s) {
      states.push_back(memory.emplace_back(tacn->state_bytes()).data());
    }
    // Until every layer has all its taps.
    for (std::size_t t = 0; t <= tacn->receptive_field(); ++t) step();
  }

  void step() { tacn->step(tokens.data(), states.data(), nullptr, states.size(), logits.data()); }

  std::unique_ptr<Tacn> tacn;
  std::vector<float> tokens, logits;
  std::vector<Aligned<std::byte>> memory;
  std::vector<std::byte*> states;
};

// The layers' matrices alone: no attention, no rings, no residual. All taps are projected anew.
struct Products {
  Products(const Level& level, std::size_t width, Precision precision, std::size_t count)
      : products(bounds_of(level).products[static_cast<std::size_t>(precision)]),
        rows(count),
        x(random_floats(count * taps * width, 1.0f)) {
    const auto pack = [&](std::size_t in, std::size_t out) {
      const std::vector<float> weights = random_floats(in * out, 0.1f);
      packed.push_back(
          std::make_unique<PackedMatrix>(level, weights.data(), in, out, nullptr, 0.0f, precision));
      return packed.back()->view();
    };
    for (std::size_t n = 0; n < layers; ++n) {
      projections.push_back(pack(width, 3 * width));
      convolutions.push_back(pack(taps * width, width));
    }
    y.resize(count * taps * projections[0].padded);
  }

  void once() {
    for (std::size_t n = 0; n < layers; ++n) {
      products(&projections[n], 1, x.data(), rows * taps, y.data());
      products(&convolutions[n], 1, x.data(), rows, y.data());
    }
  }

  Bounds::Products* products;
  std::size_t rows;
  std::vector<float> x, y;
  std::vector<std::unique_ptr<PackedMatrix>> packed;
  std::vector<Matrix> projections, convolutions;
};

Case tacn_case(const Level& level, std::size_t width, Precision precision, std::size_t batch) {
  const std::size_t weights = layers * (3 + taps) * width * width;
  const std::size_t bytes[precision_count] = {4, 2, 1};  // a weight
  const std::size_t all = weights * bytes[static_cast<std::size_t>(precision)];
  const std::size_t multiplied = layers * (3 * taps + taps) * width * width;  // a row
  const auto streams = std::make_shared<Streams>(level, width, precision, batch, true);
  const auto kept = std::make_shared<Streams>(level, width, precision, batch, true, true);
  const auto products = std::make_shared<Products>(level, width, precision, batch);
  const auto read = reading(level, all);
  Case result{std::string("tacn ") + precision_name(precision) + " C=" + std::to_string(width) +
                  " B=" + std::to_string(batch),
              {{"width", width},
               {"batch", batch},
               {"bytes", all},
               {"flops", 2.0 * static_cast<double>(batch * (multiplied + width * outputs))},
               {"state_bytes", streams->tacn->state_bytes()}},
              {}};
  result.works.push_back({"read", read});
  result.works.push_back({"step", [=] { streams->step(); }});
  result.works.push_back({"step_of_projections", [=] { kept->step(); }});  // as on a GPU
  result.works.push_back({"products", [=] { products->once(); }});
  if (batch == 1) {
    result.works.push_back({"read_cold", read, true});
    result.works.push_back({"step_cold", [=] { streams->step(); }, true});
  } else {
    const auto near = std::make_shared<Streams>(level, width, precision, batch, false);
    result.works.push_back({"rings_in_cache", [=] { near->step(); }});
  }
  return result;
}

}  // namespace

std::vector<Case> tacn_cases(const Level& level) {
  std::vector<Case> cases;
  for (const Precision precision : {Precision::float32, Precision::bfloat16, Precision::int8}) {
    for (const std::size_t width : {std::size_t{64}, std::size_t{128}}) {
      for (const std::size_t batch : {std::size_t{1}, std::size_t{64}, std::size_t{256}}) {
        cases.push_back(tacn_case(level, width, precision, batch));
      }
    }
  }
  return cases;
}

}  // namespace edgeser::bench
