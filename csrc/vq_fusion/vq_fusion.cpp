#include "vq_fusion/vq_fusion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "error.hpp"

namespace edgeser {
namespace {

const VqFusionWeights& checked(const VqFusionWeights& w) {
  if (w.codes == 0 || w.codes > VqFusion::max_codes) {
    throw Error("codebook: the number of codes must be 1.." + std::to_string(VqFusion::max_codes) +
                ", not " + std::to_string(w.codes));
  }
  require(w.code_width > 0, "codebook: codes must have at least one value");
  require(w.positions > 0, "latent_weight: there must be at least one position");
  require(w.deep_width > 0, "deep_weight: there must be at least one deep feature");
  require(w.token_width > 0, "bias: tokens must have at least one value");
  return w;
}

PackedMatrix pack_scores(const Level& level, const VqFusionWeights& w) {
  std::vector<float> weights(w.code_width * w.codes);
  std::vector<float> norms(w.codes);
  for (std::size_t k = 0; k < w.codes; ++k) {
    double norm = 0;
    for (std::size_t d = 0; d < w.code_width; ++d) {
      const float value = w.codebook[k * w.code_width + d];
      norm += static_cast<double>(value) * value;
      weights[d * w.codes + k] = -2.0f * value;
    }
    norms[k] = static_cast<float>(norm);
    if (!std::isfinite(norms[k])) {
      throw Error("codebook: code " + std::to_string(k) +
                  " is too long for float32; the weights look damaged");
    }
  }
  return {level,   weights.data(), w.code_width,
          w.codes, norms.data(),   std::numeric_limits<float>::infinity()};
}

// Codes are looked up one by one, so an int8 scale for each would cost more than it saves.
Precision fusion_precision(Precision precision) {
  return precision == Precision::int8 ? Precision::bfloat16 : precision;
}

bool table_is_small(const Level& level, const VqFusionWeights& w, Precision precision) {
  const std::size_t size = fusion_precision(precision) == Precision::float32 ? 4 : 2;
  const std::size_t most = VqFusion::largest_table / size / round_up(w.token_width, level.lanes);
  return w.codes <= most / w.positions;
}

// (P * K, C): every code at every position times the weights of that position.
std::vector<float> premultiply(const Level& level, const VqFusionWeights& w) {
  const std::size_t padded = round_up(w.token_width, level.lanes);
  std::vector<float> products(w.codes * padded);
  std::vector<float> table(w.positions * w.codes * w.token_width);
  float* to = table.data();
  for (std::size_t p = 0; p < w.positions; ++p) {
    const PackedMatrix weights(level, w.latent_weight + p * w.code_width * w.token_width,
                               w.code_width, w.token_width);
    level.multiply[0](weights.view(), w.codebook, w.codes, products.data());
    for (std::size_t k = 0; k < w.codes; ++k, to += w.token_width) {
      std::copy_n(products.data() + k * padded, w.token_width, to);
    }
  }
  for (const float value : table) {
    if (!std::isfinite(value)) {
      throw Error("codebook @ latent_weight is too large for float32; the weights look damaged");
    }
  }
  return table;
}

PackedMatrix pack_latent(const Level& level, const VqFusionWeights& w, Precision precision) {
  const Precision kept = fusion_precision(precision);
  const auto pack = [&](const float* weights, std::size_t inputs) {
    return PackedMatrix(level, weights, inputs, w.token_width, nullptr, 0.0f, kept);
  };
  if (!table_is_small(level, w, precision))
    return pack(w.latent_weight, w.positions * w.code_width);
  return pack(premultiply(level, w).data(), w.positions * w.codes);
}

}  // namespace

VqFusion::VqFusion(const Level& level, const VqFusionWeights& w, Precision precision)
    : level_(level),
      precision_(precision),
      fuse_(level.fuse[static_cast<std::size_t>(precision)]),
      codebook_(checked(w).codebook, w.codebook + w.codes * w.code_width),
      scores_(pack_scores(level, w)),
      deep_(level, w.deep_weight, w.deep_width, w.token_width, w.bias, 0.0f,
            fusion_precision(precision)),
      latent_(pack_latent(level, w, precision)),
      plan_{w.codes,      w.code_width,     w.positions,
            w.deep_width, codebook_.data(), scores_.view(),
            deep_.view(), latent_.view(),   table_is_small(level, w, precision)} {}

}  // namespace edgeser
