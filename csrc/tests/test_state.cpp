#include <cstddef>
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "error.hpp"
#include "state.hpp"

using namespace edgeser;

namespace {

struct alignas(64) Block {
  std::byte bytes[256] = {};
};

}  // namespace

TEST(state_counter_is_the_first_eight_bytes) {
  Block block;
  set_state_counter(block.bytes, 0x0102030405060708);
  CHECK(state_counter(block.bytes) == 0x0102030405060708);
  CHECK(block.bytes[8] == std::byte{0});
}

TEST(state_zero_bytes_are_accepted) {
  Block a, b;
  std::byte* const blocks[] = {a.bytes, b.bytes};
  check_state_blocks("states", blocks, 2, sizeof a.bytes);
  CHECK(state_counter(a.bytes) == 0);
}

TEST(state_damage_is_named) {
  Block a, b;
  std::byte* blocks[] = {a.bytes, b.bytes};
  set_state_counter(b.bytes, -1);
  CHECK_ERROR(check_state_blocks("states", blocks, 2, 256), "states[1]: not a state");
  set_state_counter(b.bytes, 5);
  b.bytes[63] = std::byte{1};
  CHECK_ERROR(check_state_blocks("states", blocks, 2, 256), "states[1]: not a state");
  CHECK_ERROR(check_state_blocks("states", blocks + 1, 1, 256), "not a state");
}

TEST(state_overlap_is_named) {
  Block block;
  std::byte* same[] = {block.bytes, block.bytes};
  CHECK_ERROR(check_state_blocks("states", same, 2, 64), "overlap");
  std::byte* shifted[] = {block.bytes + 64, block.bytes};
  CHECK_ERROR(check_state_blocks("states", shifted, 2, 65), "overlap");
  check_state_blocks("states", shifted, 2, 64);  // neighbours do not
}

TEST(state_misalignment_is_named) {
  Block block;
  std::byte* odd[] = {block.bytes + 2};
  CHECK_ERROR(check_state_blocks("states", odd, 1, 64), "aligned");
}
