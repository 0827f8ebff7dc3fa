#pragma once

#include <cstddef>

#include "capi/guard.hpp"
#include "capi/handles.hpp"

namespace edgeser {

// One call's hold on some states: no other call can be in them meanwhile, and no state is there
// twice. Throws StatusError, holding none, if one of them is taken.
class Turn {
 public:
  Turn(const edgeser_state* const* states, std::size_t count) : states_(states) {
    for (; held_ < count; ++held_) {
      const bool free =
          states[held_] != nullptr && !states[held_]->busy.test_and_set(std::memory_order_acquire);
      if (free) continue;
      const std::string name = "states[" + std::to_string(held_) + "]";
      const bool null = states[held_] == nullptr;
      release();
      if (null) throw Error(name + " must not be NULL");
      throw StatusError(EDGESER_BUSY, name +
                                          " is in another call, or twice in this one: give each "
                                          "stream a state of its own, to one thread at a time");
    }
  }
  ~Turn() { release(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  void release() noexcept {
    while (held_ > 0) states_[--held_]->busy.clear(std::memory_order_release);
  }

  const edgeser_state* const* states_;
  std::size_t held_ = 0;
};

}  // namespace edgeser
