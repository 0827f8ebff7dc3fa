#pragma once

#include <string>
#include <vector>

#include "bindings/arguments.hpp"
#include "tacn/tacn.hpp"

namespace edgeser {

// Checked state blocks that can be stepped together, one per row.
class States {
 public:
  States(const Tacn& tacn, const py::sequence& states, std::size_t rows) {
    if (states.size() != rows) {
      throw Error("states: expected one for each of the " + std::to_string(rows) + " tokens, got " +
                  std::to_string(states.size()));
    }
    kept_.reserve(rows);
    blocks_.reserve(rows);
    for (std::size_t r = 0; r < rows; ++r) {
      kept_.push_back(states[r]);
      blocks_.push_back(
          state_bytes("states[" + std::to_string(r) + "]", kept_.back(), tacn.state_bytes()));
    }
    tacn.check_states(blocks_.data(), rows);
  }

  std::byte* const* blocks() const { return blocks_.data(); }

 private:
  std::vector<py::object> kept_;  // keeps the arrays alive without the GIL
  std::vector<std::byte*> blocks_;
};

}  // namespace edgeser
