#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "capi/handles.hpp"

namespace edgeser {

// What a stream or a state remembers, as bytes that can be kept or sent:
//
//     8 bytes   magic            what it is of
//     u32       format version
//     u32       zero
//     32 bytes  model hash       SHA-256 of the bundle's manifest
//     u64       length           bytes of the block that follows
//     block
//     32 bytes  SHA-256          of everything before it
//
// All numbers are little-endian.
struct SavedKind {
  char magic[9];     // eight, and a zero that is not written
  const char* name;  // what errors call it
};

std::size_t saved_size(std::size_t block_bytes);

// Writes saved_size() bytes. Throws Error unless `size` is that.
void save_block(const SavedKind& kind, const Model& model, const std::vector<std::byte>& block,
                void* bytes, std::size_t size);

// The block within bytes. Throws Error unless `size` fits blocks of `block_bytes`, StatusError if
// anything about them is not as it was written, or they belong to another model.
std::vector<std::byte> saved_block(const SavedKind& kind, const Model& model,
                                   std::size_t block_bytes, const void* bytes, std::size_t size);

// Throws StatusError that says why a saved state or stream is refused.
[[noreturn]] void refuse_saved(const std::string& why);

// Refuses the rings of a TACN unless they could be those of some past.
void check_rings(const Model& model, std::byte* rings);

}  // namespace edgeser
