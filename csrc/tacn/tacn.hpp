#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "matrix/packed_matrix.hpp"
#include "simd/level.hpp"
#include "state.hpp"
#include "tacn/plan.hpp"

namespace edgeser {

// Weights in their natural order, row-major, all matrices (in, out). N layers, width C, k taps.
struct TacnWeights {
  std::size_t layers;        // N, 1..64
  std::size_t width;         // C, 1..512
  std::size_t taps;          // k, 2..8
  std::size_t outputs;       // of the head, 1..64
  std::size_t heads;         // h, divides C
  const float* query;        // (N, C, C), head j owns columns j*C/h .. (j+1)*C/h
  const float* key;          // (N, C, C)
  const float* value;        // (N, C, C)
  const float* output;       // (N, C, C), the projection after the heads are concatenated
  const float* tap_weights;  // (N, k, C, C), tap i applies to the row of time t - i*d
  const float* bias;         // (N, C)
  const float* head_weight;  // (C, outputs)
  const float* head_bias;    // (outputs)
};

std::size_t bytes_of_slot(Rings rings, std::size_t width);

// "float32", "int8" or "projections".
const char* rings_name(Rings rings) noexcept;

// The temporal attention convolutional network, one token at a time. Immutable; may be used from
// any number of threads at once. The caller owns the states.
class Tacn {
 public:
  static constexpr std::size_t max_layers = 64;
  static constexpr std::size_t max_dilation = std::size_t{1} << 20;

  // Copies what it needs. `dilations` has one per layer. All matrices are packed in `precision`.
  // Rings store inputs (in int8 if that is the precision), or Q, K and V with `projections`. Throws
  // Error for sizes out of range.
  Tacn(const Level& level, const TacnWeights& weights, const std::vector<std::size_t>& dilations,
       Precision precision = Precision::float32, bool projections = false);
  Tacn(const Tacn&) = delete;
  Tacn& operator=(const Tacn&) = delete;

  std::size_t width() const { return plan_.width; }
  std::size_t layers() const { return plan_.layer_count; }
  std::size_t heads() const { return plan_.heads; }
  std::size_t taps() const { return plan_.taps; }
  std::size_t outputs() const { return plan_.head.outputs; }
  std::size_t receptive_field() const { return receptive_field_; }  // tokens
  std::size_t state_bytes() const { return state_bytes_; }
  const Level& level() const { return level_; }
  const TacnPlan& plan() const { return plan_; }
  Precision precision() const { return precision_; }
  Rings rings() const { return plan_.rings; }

  // Size of a state of this network with other rings.
  std::size_t state_bytes(Rings rings) const;
  // Whether such a state is possible: all values are finite and at most `most`.
  bool bounded(Rings rings, const std::byte* state, float most) const;

  // Throws Error unless all `rows` states can be stepped together: aligned, with a possible header,
  // none overlapping. `states` are state_bytes() long.
  void check_states(std::byte* const* states, std::size_t rows) const;

  // Steps every row with `active` set (null: all). tokens (rows, C), logits (rows, outputs); other
  // rows are neither read nor written. The states must have passed check_states. Never throws,
  // allocates or locks; uses about 300 KiB of stack.
  void step(const float* tokens, std::byte* const* states, const bool* active, std::size_t rows,
            float* logits) const noexcept {
    step_(plan_, tokens, states, active, rows, logits);
  }

 private:
  const Level& level_;
  Precision precision_;
  TacnStep* step_;
  std::vector<PackedMatrix> matrices_;
  std::vector<TacnLayer> layers_;
  TacnPlan plan_{};
  std::size_t receptive_field_ = 1;
  std::size_t state_bytes_ = state_header_bytes;
};

}  // namespace edgeser
