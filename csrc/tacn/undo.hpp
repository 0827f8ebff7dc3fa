#pragma once

#include <cstddef>

#include "tacn/plan.hpp"

namespace edgeser {

// Undoing steps. A step overwrites one slot of each ring and the counter, so what must be kept to
// take some steps back is a small part of a state. `kept` bytes hold the state's header, the number
// of steps, and for each layer the slots that they will overwrite.

std::size_t undo_bytes(const TacnPlan& plan, std::size_t steps) noexcept;

// Copies from `state` what its next `steps` steps will overwrite; `kept` has undo_bytes(steps).
void keep_for_undo(const TacnPlan& plan, const std::byte* state, std::size_t steps,
                   std::byte* kept) noexcept;

// Makes of `state` what it was when `kept` was copied, at most `steps` steps ago.
// Throws Error unless `bytes` bytes at `kept` are what keep_for_undo has made.
void undo(const TacnPlan& plan, std::byte* state, const std::byte* kept, std::size_t bytes);

}  // namespace edgeser
