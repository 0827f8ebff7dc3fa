#pragma once

#include <cstddef>

#include "tacn/plan.hpp"

namespace edgeser {

// Undoing steps. A step overwrites one slot of each ring and the counter, so undo needs only a
// small part of a state: `kept` holds the state's header, the number of steps, and for each layer
// the slots that they will overwrite.

std::size_t undo_bytes(const TacnPlan& plan, std::size_t steps) noexcept;

// Saves what the next `steps` steps will overwrite in `state`; `kept` has undo_bytes(steps).
void keep_for_undo(const TacnPlan& plan, const std::byte* state, std::size_t steps,
                   std::byte* kept) noexcept;

// Restores `state` as it was when `kept` was saved, at most `steps` steps ago. Throws Error unless
// `bytes` bytes at `kept` were made by keep_for_undo.
void undo(const TacnPlan& plan, std::byte* state, const std::byte* kept, std::size_t bytes);

}  // namespace edgeser
