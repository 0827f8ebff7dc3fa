#include "state.hpp"

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "error.hpp"

namespace edgeser {

std::int64_t state_counter(const std::byte* state) noexcept {
  std::int64_t value;
  std::memcpy(&value, state, sizeof value);
  return value;
}

void set_state_counter(std::byte* state, std::int64_t value) noexcept {
  std::memcpy(state, &value, sizeof value);
}

namespace {

void check_block(const std::string& name, const std::byte* block) {
  if (reinterpret_cast<std::uintptr_t>(block) % alignof(float) != 0) {
    throw Error(name + ": the block must be aligned to 4 bytes; numpy.zeros gives such a block");
  }
  const bool reserved_zero = std::all_of(block + sizeof(std::int64_t), block + state_header_bytes,
                                         [](std::byte b) { return b == std::byte{0}; });
  if (state_counter(block) < 0 || !reserved_zero) {
    throw Error(name +
                ": not a state of this kernel (damaged header); use zero bytes for a fresh "
                "state or a copy of one that a step left");
  }
}

}  // namespace

void check_state_blocks(const char* name, std::byte* const* blocks, std::size_t count,
                        std::size_t bytes) {
  if (count == 1) return check_block(std::string(name) + "[0]", blocks[0]);
  for (std::size_t i = 0; i < count; ++i) {
    check_block(std::string(name) + "[" + std::to_string(i) + "]", blocks[i]);
  }
  std::vector<std::size_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return std::less<>{}(blocks[a], blocks[b]); });
  for (std::size_t i = 1; i < count; ++i) {
    if (static_cast<std::size_t>(blocks[order[i]] - blocks[order[i - 1]]) < bytes) {
      throw Error(std::string(name) + "[" + std::to_string(order[i - 1]) + "] and [" +
                  std::to_string(order[i]) +
                  "] overlap in memory; every stream needs a block of its own");
    }
  }
}

}  // namespace edgeser
