// edgeser_state_*: what a stream of features remembers, and the same as bytes: see saved.hpp. The
// block is the rings, see csrc/README.md.
#include <algorithm>

#include "capi/saved.hpp"
#include "capi/turn.hpp"

namespace {

constexpr edgeser::SavedKind kind{"EDGETACN", "state"};

}  // namespace

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
  return state ? edgeser::saved_size(state->block.size()) : 0;
}

edgeser_status edgeser_state_save(const edgeser_state* state, void* bytes, size_t size,
                                  edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(bytes, "bytes");
    const Turn turn(&state, 1);
    edgeser::save_block(kind, *state->model, state->block, bytes, size);
  });
}

edgeser_status edgeser_state_load(edgeser_state* state, const void* bytes, size_t size,
                                  edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(bytes, "bytes");
    const Turn turn(&state, 1);
    const edgeser::Model& model = *state->model;
    auto block = edgeser::saved_block(kind, model, state->block.size(), bytes, size);
    edgeser::check_rings(model, block.data());
    state->block = std::move(block);
  });
}
