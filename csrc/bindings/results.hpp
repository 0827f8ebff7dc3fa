#pragma once

#include <memory>
#include <vector>

#include "bindings/arguments.hpp"
#include "stream/core.hpp"
#include "stream/stream.hpp"

namespace edgeser {

// A core, and its labels as Python strings that all frames share.
struct PyCore {
  explicit PyCore(std::shared_ptr<const Core> made);
  std::shared_ptr<const Core> core;
  py::tuple labels;
};

// A stream's results as plain tuples; _kernels.pyi names their fields.
py::list frames_of(const PyCore& core, const Results& results);
py::list events_of(const PyCore& core, const Results& results);
py::tuple event_of(const PyCore& core, const Event& event, const float* probabilities);
py::tuple verdict_of(const PyCore& core, const Verdict& verdict, const float* probabilities);

}  // namespace edgeser
