#pragma once

#include "edgeser.h"
#include "stream/stream.hpp"

namespace edgeser {

// Throws Error, having written nothing, unless there is room for what a call brought.
void check_room(const Stream& stream, const edgeser_results& results);

// Writes what a call brought, for which there is room.
void write_results(const Stream& stream, edgeser_results& results) noexcept;

edgeser_verdict verdict_of(const Verdict& verdict) noexcept;

}  // namespace edgeser
