#include "tacn/undo.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "error.hpp"
#include "state.hpp"

namespace edgeser {
namespace {

constexpr std::size_t steps_at = state_header_bytes;
constexpr std::size_t slots_at = state_header_bytes + sizeof(std::uint64_t);

// Calls f(first byte in the state, bytes) for the parts of the rings that the steps overwrite.
template <class F>
void for_each_piece(const TacnPlan& plan, std::int64_t position, std::size_t steps, F&& f) {
  const std::size_t slot_bytes = plan.slot_bytes;
  for (std::size_t n = 0; n < plan.layer_count; ++n) {
    const TacnLayer& layer = plan.layers[n];
    const std::size_t count = std::min(steps, layer.ring_slots);
    const std::size_t first = static_cast<std::size_t>(position) % layer.ring_slots;
    const std::size_t straight = std::min(count, layer.ring_slots - first);
    f(layer.ring + first * slot_bytes, straight * slot_bytes);
    f(layer.ring, (count - straight) * slot_bytes);
  }
}

}  // namespace

std::size_t undo_bytes(const TacnPlan& plan, std::size_t steps) noexcept {
  std::size_t bytes = slots_at;
  for_each_piece(plan, 0, steps, [&](std::size_t, std::size_t piece) { bytes += piece; });
  return bytes;
}

void keep_for_undo(const TacnPlan& plan, const std::byte* state, std::size_t steps,
                   std::byte* kept) noexcept {
  const std::uint64_t count = steps;
  std::memcpy(kept, state, state_header_bytes);
  std::memcpy(kept + steps_at, &count, sizeof count);
  std::byte* to = kept + slots_at;
  for_each_piece(plan, state_counter(state), steps, [&](std::size_t from, std::size_t piece) {
    std::memcpy(to, state + from, piece);
    to += piece;
  });
}

void undo(const TacnPlan& plan, std::byte* state, const std::byte* kept, std::size_t bytes) {
  std::uint64_t steps = 0;
  if (bytes >= slots_at) std::memcpy(&steps, kept + steps_at, sizeof steps);
  if (bytes < slots_at || state_counter(kept) < 0 || undo_bytes(plan, steps) != bytes) {
    throw Error("kept: not what keep() of this kernel has returned");
  }
  const std::byte* from = kept + slots_at;
  for_each_piece(plan, state_counter(kept), steps, [&](std::size_t to, std::size_t piece) {
    std::memcpy(state + to, from, piece);
    from += piece;
  });
  std::memcpy(state, kept, state_header_bytes);
}

}  // namespace edgeser
