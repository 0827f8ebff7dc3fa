#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "stream/stream.hpp"

namespace edgeser {

// A stream as bytes that can be kept, sent and put back, on this machine or another:
//
//     8 bytes   magic            "EDGESER" and a zero
//     u32       format version
//     u32       sample rate      Hz, of the stream
//     32 bytes  model hash       SHA-256 of the bundle's manifest
//     56 bytes  options          see saved.cpp
//     u64       length           bytes of the block that follows
//     block                      see layout.hpp
//     32 bytes  SHA-256          of everything before it
//
// All numbers are little-endian. Slots of rings that no token will read are zero, so that the bytes
// depend on what the stream remembers alone.

constexpr std::uint32_t saved_format = 3;

// How many bytes a stream takes; it never changes.
std::size_t saved_size(const Stream& stream) noexcept;

// Writes saved_size() bytes. The stream is held.
void save_stream(const Stream& stream, std::byte* bytes);

// A stream of `core` that goes on where the saved one went. Throws StateError for bytes that are
// damaged, belong to another model, or that no stream could have left.
std::shared_ptr<Stream> load_stream(std::shared_ptr<const Core> core, const void* bytes,
                                    std::size_t size, std::shared_ptr<Detector> detector);

}  // namespace edgeser
