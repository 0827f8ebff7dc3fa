#pragma once

#include <cstddef>
#include <cstdint>

namespace edgeser {

// What all state blocks share. A block is flat bytes that the caller owns: copying it is a
// snapshot, and all zero bytes are a fresh state. Its 64-byte header holds one int64 counter, at
// least zero, and 56 zero bytes; values in the byte order of the machine follow.

constexpr std::size_t state_header_bytes = 64;

std::int64_t state_counter(const std::byte* state) noexcept;
void set_state_counter(std::byte* state, std::int64_t value) noexcept;

// Throws Error unless each of `count` blocks of `bytes` bytes is aligned to 4 bytes and starts with
// a plausible header, and no two overlap. `name` is what the caller knows them as.
void check_state_blocks(const char* name, std::byte* const* blocks, std::size_t count,
                        std::size_t bytes);

}  // namespace edgeser
