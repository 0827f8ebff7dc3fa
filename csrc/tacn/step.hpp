#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "matrix/multiply.hpp"
#include "tacn/attention.hpp"
#include "tacn/plan.hpp"
#include "tacn/rings.hpp"

namespace edgeser {

// The streams that are stepped together, and their scratch memory, all on the stack.
struct TacnBlock {
  static constexpr std::size_t max_rows = 64;
  static constexpr std::size_t scratch_floats = 56 * 1024;  // 224 KiB

  std::size_t count;            // rows in use
  std::size_t index[max_rows];  // row of the batch
  std::byte* state[max_rows];
  std::int64_t position[max_rows];
  // For the current or the next layer: each row's number of taps, the places of the older taps in
  // the ring, and the place for the newest.
  std::size_t taps[max_rows];
  std::byte* slot[max_rows][tacn_max_taps];
};

// Locates each row's taps in the layer's ring.
template <class S>
inline void locate_taps(const TacnPlan& plan, const TacnLayer& layer, TacnBlock& block) {
  for (std::size_t r = 0; r < block.count; ++r) {
    const std::size_t now = static_cast<std::size_t>(block.position[r]);
    const std::size_t slot = now % layer.ring_slots;
    std::byte* const ring = block.state[r] + layer.ring;
    block.slot[r][0] = ring + slot * plan.slot_bytes;
    std::size_t count = 1;
    for (; count < plan.taps && now >= count * layer.dilation; ++count) {
      const std::size_t back = count * layer.dilation;
      const std::size_t from = slot >= back ? slot - back : slot + layer.ring_slots - back;
      block.slot[r][count] = ring + from * plan.slot_bytes;
    }
    block.taps[r] = count;
  }
}

// Prefetches the located taps in parts. A stream that runs every 128 ms has its rings in no cache,
// and prefetching everything at once would only queue up.
template <class S>
class TapFetch {
 public:
  // All prefetches are issued after `calls` calls.
  TapFetch(const TacnBlock& block, std::size_t slot_bytes, std::size_t calls)
      : block_(block), slot_bytes_(slot_bytes), rows_a_call_((block.count + calls - 1) / calls) {}

  void operator()() {
    const std::size_t left = block_.count - row_;
    for (std::size_t r = left < rows_a_call_ ? left : rows_a_call_; r > 0; --r, ++row_) {
      for (std::size_t i = 1; i < block_.taps[row_]; ++i) {
        const std::byte* const slot = block_.slot[row_][i];
        for (std::size_t at = 0; at < slot_bytes_; at += 64) EDGESER_PREFETCH(slot + at);
      }
    }
  }

 private:
  const TacnBlock& block_;
  std::size_t slot_bytes_, rows_a_call_, row_ = 0;
};

// The rows of a block in a step's scratch memory, one for each stream.
struct TacnScratch {
  float* x;  // (C): the layer's input, later its output
  std::size_t x_stride;
  float* qkv;  // rows of Q, K and V: `projected` per stream, newest tap last; later C sums
  std::size_t qkv_stride;
  std::size_t projected;
  float* mixed;  // (k, C): inputs of all taps, newest last; later the attention's output
  std::size_t mixed_stride;
};

// Projects only the newest token; the rings store Q, K and V of the other taps.
template <class S, Precision P>
inline void project_newest(const TacnPlan& plan, const TacnLayer& layer, const TacnBlock& block,
                           const TacnScratch& scratch) {
  TapFetch<S> fetch(block, plan.slot_bytes, product_pieces<S, P>(layer.projection, block.count));
  multiply<S, P>(layer.projection, scratch.x, scratch.x_stride, block.count, scratch.qkv,
                 scratch.qkv_stride, fetch);
}

// Projects all taps of all rows from the inputs in the rings, and stores the newest input there. It
// takes the slot of the oldest tap, so it comes last. Missing taps are projected as zeros, which
// keeps the time of a step constant; the result is never read.
template <class S, Precision P>
inline void project_all(const TacnPlan& plan, const TacnLayer& layer, const TacnBlock& block,
                        const TacnScratch& scratch) {
  const std::size_t width = plan.width, taps = plan.taps;
  const auto nothing = [] {};
  if constexpr (P == Precision::int8) {
    const auto supply = [&](std::size_t row, typename S::Input* to) {
      const std::size_t r = row / taps, tap = taps - 1 - row % taps;
      if (tap == 0) {
        const float scale = quantise_row<S>(scratch.x + r * scratch.x_stride, width, to);
        put_int8<S>(block.slot[r][0], to, scale, width);
        return scale;
      }
      if (tap < block.taps[r]) return get_int8<S>(block.slot[r][tap], width, to);
      const std::size_t padded = (width + S::lanes - 1) / S::lanes * S::lanes;
      for (std::size_t i = 0; i < padded; ++i) {
        to[i] = static_cast<typename S::Input>(S::byte_zero);
      }
      return 0.0f;
    };
    multiply_quantised<S>(layer.projection, supply, block.count * taps, scratch.qkv,
                          scratch.qkv_stride, nothing);
  } else {
    for (std::size_t r = 0; r < block.count; ++r) {
      const float* const newest = scratch.x + r * scratch.x_stride;
      float* to = scratch.mixed + r * scratch.mixed_stride;
      for (std::size_t tap = taps - 1; tap > 0; --tap, to += width) {
        if (tap < block.taps[r]) {
          std::memcpy(to, block.slot[r][tap], width * sizeof(float));
        } else {
          std::memset(to, 0, width * sizeof(float));
        }
      }
      std::memcpy(to, newest, width * sizeof(float));
      std::memcpy(block.slot[r][0], newest, width * sizeof(float));
    }
    multiply<S, P>(layer.projection, scratch.mixed, width, block.count * taps, scratch.qkv,
                   scratch.qkv_stride, nothing);
  }
}

// The addresses of Q, K and V of a row's taps.
template <class S>
inline Taps taps_of(const TacnPlan& plan, const TacnBlock& block, const TacnScratch& scratch,
                    std::size_t r) {
  Taps taps{block.taps[r], {}};
  const float* const newest = scratch.qkv + ((r + 1) * scratch.projected - 1) * scratch.qkv_stride;
  taps.row[0] = newest;
  for (std::size_t i = 1; i < taps.count; ++i) {
    taps.row[i] = plan.rings == Rings::projections
                      ? reinterpret_cast<const float*>(block.slot[r][i])
                      : newest - i * scratch.qkv_stride;
  }
  return taps;
}

// Computes layer n, whose taps are located, and locates those of the next layer.
template <class S, Precision P>
inline void tacn_layer(const TacnPlan& plan, std::size_t n, TacnBlock& block,
                       const TacnScratch& scratch) {
  const TacnLayer& layer = plan.layers[n];
  const std::size_t width = plan.width;
  const bool kept = plan.rings == Rings::projections;
  if (kept) {
    project_newest<S, P>(plan, layer, block, scratch);
  } else {
    project_all<S, P>(plan, layer, block, scratch);
  }

  for (std::size_t r = 0; r < block.count; ++r) {
    const Taps taps = taps_of<S>(plan, block, scratch, r);
    float* const out = scratch.mixed + r * scratch.mixed_stride;
    with_size<S, tacn_max_taps>(taps.count, [&](auto count) {
      attend<S, decltype(count)::value>(taps, width, plan.heads, plan.scale, out);
    });
    // Missing taps are exact zeros in the convolution, which keeps the time of a step constant.
    std::memset(out + taps.count * width, 0, (plan.taps - taps.count) * width * sizeof(float));
    // Token t takes the slot of token t - (k-1)d, which was the oldest tap until now.
    if (kept) std::memcpy(block.slot[r][0], taps.row[0], plan.slot_bytes);
  }

  float* const z = scratch.qkv;
  if (n + 1 < plan.layer_count) locate_taps<S>(plan, plan.layers[n + 1], block);
  if (kept || n + 1 == plan.layer_count) {
    multiply<S, P>(layer.convolution, scratch.mixed, scratch.mixed_stride, block.count, z,
                   scratch.qkv_stride);
  } else {
    TapFetch<S> fetch(block, plan.slot_bytes, product_pieces<S, P>(layer.convolution, block.count));
    multiply<S, P>(layer.convolution, scratch.mixed, scratch.mixed_stride, block.count, z,
                   scratch.qkv_stride, fetch);
  }
  const typename S::Vec zero = S::broadcast(0.0f);
  for (std::size_t r = 0; r < block.count; ++r) {
    for (std::size_t c = 0; c < layer.convolution.padded; c += S::lanes) {
      float* const at = scratch.x + r * scratch.x_stride + c;
      S::store(at, S::add(S::load(at), S::max(zero, S::load(z + r * scratch.qkv_stride + c))));
    }
  }
}

// Takes one token of every active row through all layers and the output head. See Tacn::step.
template <class S, Precision P>
void tacn_step(const TacnPlan& plan, const float* tokens, std::byte* const* states,
               const bool* active, std::size_t rows, float* logits) noexcept {
  alignas(64) float floats[TacnBlock::scratch_floats];
  const std::size_t width = plan.width;
  const std::size_t outputs = plan.head.outputs;
  TacnScratch scratch;
  scratch.x_stride = plan.layers[0].convolution.padded;
  // The same memory later holds the convolution (C) and the logits.
  scratch.qkv_stride = plan.layers[0].projection.padded > plan.head.padded
                           ? plan.layers[0].projection.padded
                           : plan.head.padded;
  scratch.projected = plan.rings == Rings::projections ? 1 : plan.taps;
  scratch.mixed_stride = plan.taps * width;
  const std::size_t row_floats =
      scratch.x_stride + scratch.projected * scratch.qkv_stride + scratch.mixed_stride;
  std::size_t capacity = TacnBlock::scratch_floats / row_floats;
  if (capacity > TacnBlock::max_rows) capacity = TacnBlock::max_rows;
  // Blocks of equal size: each reads all the weights again, even for few rows.
  const std::size_t blocks = (rows + capacity - 1) / capacity;
  if (blocks > 1) capacity = (rows + blocks - 1) / blocks;
  scratch.x = floats;
  scratch.qkv = scratch.x + capacity * scratch.x_stride;
  scratch.mixed = scratch.qkv + capacity * scratch.projected * scratch.qkv_stride;

  TacnBlock block;
  for (std::size_t next = 0; next < rows;) {
    block.count = 0;
    for (; next < rows && block.count < capacity; ++next) {
      if (active && !active[next]) continue;
      const std::size_t r = block.count++;
      block.index[r] = next;
      block.state[r] = states[next];
      std::memcpy(&block.position[r], states[next], sizeof block.position[r]);
      float* const x = scratch.x + r * scratch.x_stride;
      std::memcpy(x, tokens + next * width, width * sizeof(float));
      std::memset(x + width, 0, (scratch.x_stride - width) * sizeof(float));
    }

    locate_taps<S>(plan, plan.layers[0], block);
    for (std::size_t n = 0; n < plan.layer_count; ++n) tacn_layer<S, P>(plan, n, block, scratch);

    float* const result = scratch.qkv;
    multiply<S, P>(plan.head, scratch.x, scratch.x_stride, block.count, result, plan.head.padded);
    for (std::size_t r = 0; r < block.count; ++r) {
      std::memcpy(logits + block.index[r] * outputs, result + r * plan.head.padded,
                  outputs * sizeof(float));
      const std::int64_t position = block.position[r] + 1;
      std::memcpy(block.state[r], &position, sizeof position);
    }
  }
}

}  // namespace edgeser
