#include "vq_fusion/vq_fusion.hpp"

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

PackedMatrix pack_fusion(const Level& level, const VqFusionWeights& w, Precision precision) {
  std::vector<float> weights(w.deep_weight, w.deep_weight + w.deep_width * w.token_width);
  const std::size_t latent = w.positions * w.code_width;
  weights.insert(weights.end(), w.latent_weight, w.latent_weight + latent * w.token_width);
  if (precision == Precision::int8) precision = Precision::bfloat16;
  return {level, weights.data(), w.deep_width + latent, w.token_width, w.bias, 0.0f, precision};
}

}  // namespace

VqFusion::VqFusion(const Level& level, const VqFusionWeights& w, Precision precision)
    : level_(level),
      precision_(precision),
      fuse_(level.fuse[static_cast<std::size_t>(precision)]),
      codebook_(checked(w).codebook, w.codebook + w.codes * w.code_width),
      scores_(pack_scores(level, w)),
      fusion_(pack_fusion(level, w, precision)),
      plan_{w.codes,          w.code_width,   w.positions,   w.deep_width,
            codebook_.data(), scores_.view(), fusion_.view()} {}

}  // namespace edgeser
