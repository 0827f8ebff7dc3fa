#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "stream/stream.hpp"

namespace edgeser {

// A serialised stream, which can be stored, sent, and resumed on this machine or another:
//
//     8 bytes   magic            "EDGESER" and a zero
//     u32       format version
//     u32       sample rate      Hz, of the stream
//     32 bytes  model hash       SHA-256 of the bundle's manifest
//     56 bytes  options          see saved.cpp
//     u32       rings            what they keep: see Rings in tacn/plan.hpp
//     u32       zero
//     u64       length           bytes of the block that follows
//     block                      see layout.hpp
//     32 bytes  SHA-256          of everything before it
//
// All numbers are little-endian. Ring slots that will never be read are zero, so the bytes depend
// only on the state itself.

constexpr std::uint32_t saved_format = 3;

// Size in bytes; constant for a stream.
std::size_t saved_size(const Stream& stream) noexcept;

// Writes saved_size() bytes. The caller holds the stream.
void save_stream(const Stream& stream, std::byte* bytes);

// Restores a stream of `core`. Throws StateError for bytes that are damaged, of another model or
// impossible, and if only one of the two uses int8 rings; other rings are converted, see
// tacn/convert.hpp. `threshold` is the detector's and replaces that of a detector before it, but
// not that of the rules. Throws AudioError if it is invalid.
std::shared_ptr<Stream> load_stream(std::shared_ptr<const Core> core, const void* bytes,
                                    std::size_t size, std::shared_ptr<Detector> detector,
                                    std::optional<double> threshold = std::nullopt);

}  // namespace edgeser
