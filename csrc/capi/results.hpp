#pragma once

#include "edgeser.h"
#include "stream/stream.hpp"

namespace edgeser {

// Throws Error before anything is written if the arrays are too small for a call's results.
void check_room(const Stream& stream, const edgeser_results& results);

// Writes a call's results; the arrays must be large enough.
void write_results(const Stream& stream, edgeser_results& results) noexcept;

edgeser_verdict verdict_of(const Verdict& verdict) noexcept;

}  // namespace edgeser
