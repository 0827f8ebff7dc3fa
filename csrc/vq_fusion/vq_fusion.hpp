#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "matrix/packed_matrix.hpp"
#include "simd/level.hpp"
#include "vq_fusion/plan.hpp"

namespace edgeser {

// Weights in their natural order, row-major, all matrices (in, out).
struct VqFusionWeights {
  std::size_t codes;           // K, 1..2^24
  std::size_t code_width;      // D
  std::size_t positions;       // P
  std::size_t deep_width;      // F
  std::size_t token_width;     // C
  const float* codebook;       // (K, D)
  const float* deep_weight;    // (F, C)
  const float* latent_weight;  // (P * D, C)
  const float* bias;           // (C)
};

// The nearest code of every position, fused with the deep features into a token. Immutable; may be
// used from any number of threads at once.
class VqFusion {
 public:
  static constexpr std::size_t max_codes = std::size_t{1} << 24;
  static constexpr std::size_t largest_table = std::size_t{4} << 20;  // bytes, see VqFusionPlan

  // Copies what it needs. Multiplies codes and weights in advance if the table takes at most
  // `largest_table`. The fusion's weights are stored in `precision`, or in bfloat16 for int8, since
  // codes are looked up one by one and a scale for each would cost more than it saves. The search
  // is always float32, since another code would be another input. Throws Error for sizes out of
  // range.
  VqFusion(const Level& level, const VqFusionWeights& weights,
           Precision precision = Precision::float32);
  VqFusion(const VqFusion&) = delete;
  VqFusion& operator=(const VqFusion&) = delete;

  std::size_t codes() const { return plan_.codes; }
  std::size_t code_width() const { return plan_.code_width; }
  std::size_t positions() const { return plan_.positions; }
  std::size_t deep_width() const { return plan_.deep_width; }
  std::size_t token_width() const { return plan_.deep.outputs; }
  const Level& level() const { return level_; }
  Precision precision() const { return precision_; }

  // deep (rows, F), latent (rows, P, D) -> tokens (rows, C), codes (rows, P).
  // Never throws, allocates or locks.
  void fuse(const float* deep, const float* latent, std::size_t rows, float* tokens,
            std::int32_t* codes) const noexcept {
    fuse_(plan_, deep, latent, rows, tokens, codes);
  }

 private:
  const Level& level_;
  Precision precision_;
  VqFuse* fuse_;
  std::vector<float> codebook_;
  PackedMatrix scores_;
  PackedMatrix deep_;
  PackedMatrix latent_;
  VqFusionPlan plan_;
};

}  // namespace edgeser
