#pragma once

#include <cstddef>
#include <cstdint>

namespace edgeser {

// Common to all state blocks. A block is flat bytes owned by the caller: copying it makes a
// snapshot, and all zero bytes are a new state. Its 64-byte header holds one int64 counter, at
// least zero, and 56 zero bytes; values in the machine's byte order follow.

constexpr std::size_t state_header_bytes = 64;

std::int64_t state_counter(const std::byte* state) noexcept;
void set_state_counter(std::byte* state, std::int64_t value) noexcept;

// Throws Error unless each of `count` blocks of `bytes` bytes is aligned to 4 bytes and has a
// plausible header, and no two overlap. `name` is used in messages.
void check_state_blocks(const char* name, std::byte* const* blocks, std::size_t count,
                        std::size_t bytes);

}  // namespace edgeser
