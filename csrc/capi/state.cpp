// edgeser_state_*: what a stream remembers, and the same as bytes.
//
//     8 bytes   magic            "EDGETACN"
//     u32       format version
//     u32       zero
//     32 bytes  model hash       SHA-256 of the bundle's manifest
//     u64       length           bytes of the block that follows
//     block                      see csrc/README.md
//     32 bytes  SHA-256          of everything before it
//
// All numbers are little-endian.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "capi/turn.hpp"

namespace edgeser {
namespace {

constexpr std::uint32_t state_format = 1;

struct Head {
  char magic[8] = {'E', 'D', 'G', 'E', 'T', 'A', 'C', 'N'};
  std::uint32_t format = state_format;
  std::uint32_t zero = 0;
  Digest model = {};
  std::uint64_t length = 0;
};
static_assert(sizeof(Head) == 56);

std::size_t saved_size(const Model& model) {
  return sizeof(Head) + model.tacn.state_bytes() + sizeof(Digest);
}

[[noreturn]] void refuse(const std::string& why) { throw StatusError(EDGESER_BAD_STATE, why); }

void check_size(const Model& model, std::size_t size) {
  if (size == saved_size(model)) return;
  throw Error("a saved state of this model has " + std::to_string(saved_size(model)) +
              " bytes, not " + std::to_string(size) + ": see edgeser_state_saved_size");
}

// The block within saved bytes, if everything about them is right.
std::vector<std::byte> checked_block(const Model& model, const char* bytes, std::size_t size) {
  Head head;
  const Head wanted{.model = model.hash, .length = model.tacn.state_bytes()};
  std::memcpy(&head, bytes, sizeof head);
  if (std::memcmp(head.magic, wanted.magic, sizeof head.magic) != 0) {
    refuse("these bytes are not a saved state: pass what edgeser_state_save wrote");
  }
  if (head.format > state_format) {
    refuse("this state has format " + std::to_string(head.format) +
           ", made by a newer edgeser; this one reads up to " + std::to_string(state_format) +
           ": upgrade edgeser");
  }
  const std::size_t body = size - sizeof(Digest);
  if (const Digest digest = sha256({bytes, body});
      std::memcmp(digest.data(), bytes + body, sizeof digest) != 0) {
    refuse("this state is damaged (its SHA-256 does not match): save it again");
  }
  if (head.model != model.hash) {
    refuse("this state belongs to model " + hex(head.model).substr(0, 12) + " and this model is " +
           model.hash_hex.substr(0, 12) + ": load it with the bundle that it was saved with");
  }
  if (std::memcmp(&head, &wanted, sizeof head) != 0) refuse("this state contradicts itself");

  std::vector<std::byte> block(model.tacn.state_bytes());
  std::memcpy(block.data(), bytes + sizeof head, block.size());
  std::byte* const data = block.data();
  try {
    model.tacn.check_states(&data, 1);
  } catch (const Error& error) {
    refuse(error.what());
  }
  for (std::size_t at = state_header_bytes; at < block.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, data + at, sizeof value);
    if (!std::isfinite(value)) refuse("this state holds NaN or infinite values");
  }
  return block;
}

}  // namespace
}  // namespace edgeser

using edgeser::guarded;
using edgeser::require_pointer;
using edgeser::Turn;

edgeser_status edgeser_state_open(const edgeser_model* model, edgeser_state** state,
                                  edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(state, "state");
    *state = nullptr;
    require_pointer(model, "model");
    *state = new edgeser_state(model->model);
  });
}

void edgeser_state_close(edgeser_state* state) { delete state; }

edgeser_status edgeser_state_reset(edgeser_state* state, edgeser_error* error) {
  return guarded(error, [&] {
    const Turn turn(&state, 1);
    std::fill(state->block.begin(), state->block.end(), std::byte{0});
  });
}

edgeser_status edgeser_state_position(const edgeser_state* state, int64_t* position,
                                      edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(position, "position");
    const Turn turn(&state, 1);
    *position = edgeser::state_counter(state->block.data());
  });
}

size_t edgeser_state_saved_size(const edgeser_state* state) {
  return state ? edgeser::saved_size(*state->model) : 0;
}

edgeser_status edgeser_state_save(const edgeser_state* state, void* bytes, size_t size,
                                  edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(bytes, "bytes");
    const Turn turn(&state, 1);
    const edgeser::Model& model = *state->model;
    edgeser::check_size(model, size);
    const edgeser::Head head{.model = model.hash, .length = state->block.size()};
    char* const to = static_cast<char*>(bytes);
    const std::size_t body = sizeof head + state->block.size();
    std::memcpy(to, &head, sizeof head);
    std::memcpy(to + sizeof head, state->block.data(), state->block.size());
    const edgeser::Digest digest = edgeser::sha256({to, body});
    std::memcpy(to + body, digest.data(), sizeof digest);
  });
}

edgeser_status edgeser_state_load(edgeser_state* state, const void* bytes, size_t size,
                                  edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(bytes, "bytes");
    const Turn turn(&state, 1);
    edgeser::check_size(*state->model, size);
    state->block = edgeser::checked_block(*state->model, static_cast<const char*>(bytes), size);
  });
}
