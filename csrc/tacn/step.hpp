#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "matrix/multiply.hpp"
#include "tacn/attention.hpp"
#include "tacn/plan.hpp"

namespace edgeser {

// The streams that go through the layers together, and their scratch, all on the stack.
struct TacnBlock {
  static constexpr std::size_t max_rows = 64;
  static constexpr std::size_t scratch_floats = 56 * 1024;  // 224 KiB: all rows at a width of 128

  std::size_t count;            // rows in use
  std::size_t index[max_rows];  // row of the batch
  std::byte* state[max_rows];
  std::int64_t position[max_rows];
  Taps taps[max_rows];         // of the layer being computed
  float* ring_slot[max_rows];  // where its newest token goes
};

// Finds each row's taps in the layer's ring, all but the newest.
template <class S>
inline void locate_taps(const TacnPlan& plan, const TacnLayer& layer, TacnBlock& block) {
  const std::size_t slot_floats = 3 * plan.width;
  for (std::size_t r = 0; r < block.count; ++r) {
    const std::size_t now = static_cast<std::size_t>(block.position[r]);
    const std::size_t slot = now % layer.ring_slots;
    float* const ring = reinterpret_cast<float*>(block.state[r] + layer.ring);
    Taps& taps = block.taps[r];
    taps.count = 1;
    for (; taps.count < plan.taps && now >= taps.count * layer.dilation; ++taps.count) {
      const std::size_t back = taps.count * layer.dilation;
      const std::size_t from = slot >= back ? slot - back : slot + layer.ring_slots - back;
      taps.row[taps.count] = ring + from * slot_floats;
    }
    block.ring_slot[r] = ring + slot * slot_floats;
  }
}

// Fetches the located taps piece by piece: a stream that wakes every 128 ms finds its rings far
// from the CPU, those of many streams fill no cache, and all at once they would only queue.
template <class S>
class TapFetch {
 public:
  // Everything will have been asked for after `calls` calls.
  TapFetch(const TacnBlock& block, std::size_t slot_floats, std::size_t calls)
      : block_(block), slot_floats_(slot_floats), rows_a_call_((block.count + calls - 1) / calls) {}

  void operator()() {
    const std::size_t left = block_.count - row_;
    for (std::size_t r = left < rows_a_call_ ? left : rows_a_call_; r > 0; --r, ++row_) {
      const Taps& taps = block_.taps[row_];
      for (std::size_t i = 1; i < taps.count; ++i) {
        for (std::size_t at = 0; at < slot_floats_; at += 16) EDGESER_PREFETCH(taps.row[i] + at);
      }
    }
  }

 private:
  const TacnBlock& block_;
  std::size_t slot_floats_, rows_a_call_, row_ = 0;
};

// x (rows, C): in, the layer's input; out, its output. `qkv` and `mixed` are scratch of
// `qkv_stride` and k * C floats a row; x rows lie `x_stride` apart.
template <class S, Precision P>
inline void tacn_layer(const TacnPlan& plan, const TacnLayer& layer, TacnBlock& block, float* x,
                       std::size_t x_stride, float* qkv, std::size_t qkv_stride, float* mixed) {
  const std::size_t width = plan.width;
  const std::size_t mixed_stride = plan.taps * width;
  locate_taps<S>(plan, layer, block);
  TapFetch<S> fetch(block, 3 * width, product_pieces<S, P>(layer.projection, block.count));
  multiply<S, P>(layer.projection, x, x_stride, block.count, qkv, qkv_stride, fetch);

  for (std::size_t r = 0; r < block.count; ++r) {
    Taps& taps = block.taps[r];
    float* const newest = qkv + r * qkv_stride;
    float* const out = mixed + r * mixed_stride;
    taps.row[0] = newest;
    with_size<S, tacn_max_taps>(taps.count, [&](auto count) {
      attend<S, decltype(count)::value>(taps, width, plan.heads, plan.scale, out);
    });
    // Missing taps add nothing to the convolution: exact zeros, and the same time every step.
    std::memset(out + taps.count * width, 0, (plan.taps - taps.count) * width * sizeof(float));
    // Token t takes the slot of token t - (k-1)d, which was the oldest tap until now.
    std::memcpy(block.ring_slot[r], newest, 3 * width * sizeof(float));
  }

  float* const z = qkv;
  multiply<S, P>(layer.convolution, mixed, mixed_stride, block.count, z, qkv_stride);
  const typename S::Vec zero = S::broadcast(0.0f);
  for (std::size_t r = 0; r < block.count; ++r) {
    for (std::size_t c = 0; c < layer.convolution.padded; c += S::lanes) {
      float* const at = x + r * x_stride + c;
      S::store(at, S::add(S::load(at), S::max(zero, S::load(z + r * qkv_stride + c))));
    }
  }
}

// One token of every active row through all layers and the output head. See Tacn::step.
template <class S, Precision P>
void tacn_step(const TacnPlan& plan, const float* tokens, std::byte* const* states,
               const bool* active, std::size_t rows, float* logits) noexcept {
  alignas(64) float scratch[TacnBlock::scratch_floats];
  const std::size_t width = plan.width;
  const std::size_t outputs = plan.head.outputs;
  const std::size_t x_stride = plan.layers[0].convolution.padded;
  // The same rows later hold the convolution (C) and the logits.
  const std::size_t qkv_stride = plan.layers[0].projection.padded > plan.head.padded
                                     ? plan.layers[0].projection.padded
                                     : plan.head.padded;
  const std::size_t row_floats = x_stride + qkv_stride + plan.taps * width;
  std::size_t capacity = TacnBlock::scratch_floats / row_floats;
  if (capacity > TacnBlock::max_rows) capacity = TacnBlock::max_rows;
  // Even blocks: the weights are read again for each, however few its rows are.
  const std::size_t blocks = (rows + capacity - 1) / capacity;
  if (blocks > 1) capacity = (rows + blocks - 1) / blocks;
  float* const x = scratch;
  float* const qkv = x + capacity * x_stride;
  float* const mixed = qkv + capacity * qkv_stride;

  TacnBlock block;
  for (std::size_t next = 0; next < rows;) {
    block.count = 0;
    for (; next < rows && block.count < capacity; ++next) {
      if (active && !active[next]) continue;
      const std::size_t r = block.count++;
      block.index[r] = next;
      block.state[r] = states[next];
      std::memcpy(&block.position[r], states[next], sizeof block.position[r]);
      std::memcpy(x + r * x_stride, tokens + next * width, width * sizeof(float));
      std::memset(x + r * x_stride + width, 0, (x_stride - width) * sizeof(float));
    }

    for (std::size_t n = 0; n < plan.layer_count; ++n) {
      tacn_layer<S, P>(plan, plan.layers[n], block, x, x_stride, qkv, qkv_stride, mixed);
    }

    float* const result = qkv;
    multiply<S, P>(plan.head, x, x_stride, block.count, result, plan.head.padded);
    for (std::size_t r = 0; r < block.count; ++r) {
      std::memcpy(logits + block.index[r] * outputs, result + r * plan.head.padded,
                  outputs * sizeof(float));
      const std::int64_t position = block.position[r] + 1;
      std::memcpy(block.state[r], &position, sizeof position);
    }
  }
}

}  // namespace edgeser
