#include "bindings/results.hpp"

namespace edgeser {
namespace {

py::tuple interned(const std::vector<std::string>& texts) {
  py::tuple result(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) result[i] = py::str(texts[i]);
  return result;
}

py::object label_of(const PyCore& core, std::int32_t label) {
  if (label == no_label) return py::none();
  return core.labels[static_cast<std::size_t>(label)];
}

// Uses the C API, because this is the largest part of Python's own share of a call.
py::object dict_of(const PyCore& core, const float* probabilities) {
  auto dict = py::reinterpret_steal<py::object>(PyDict_New());
  if (!dict) throw py::error_already_set();
  for (py::ssize_t i = 0; i < PyTuple_GET_SIZE(core.labels.ptr()); ++i) {
    const py::float_ value(static_cast<double>(probabilities[i]));
    if (PyDict_SetItem(dict.ptr(), PyTuple_GET_ITEM(core.labels.ptr(), i), value.ptr()) != 0) {
      throw py::error_already_set();
    }
  }
  return dict;
}

const char* why_of(Event::Why why) {
  switch (why) {
    case Event::Why::silence:
      return "silence";
    case Event::Why::longest:
      return "longest";
    case Event::Why::flush:
      break;
  }
  return "flush";
}

}  // namespace

PyCore::PyCore(std::shared_ptr<const Core> made)
    : core(std::move(made)), labels(interned(core->labels)) {}

py::list frames_of(const PyCore& core, const Results& results) {
  const std::size_t labels = core.core->labels.size();
  py::list list(results.frames.size());
  for (std::size_t i = 0; i < results.frames.size(); ++i) {
    const Frame& frame = results.frames[i];
    list[i] = py::make_tuple(frame.time, label_of(core, frame.label), frame.confidence,
                             dict_of(core, &results.probabilities[i * labels]), frame.speech,
                             frame.level);
  }
  return list;
}

py::tuple verdict_of(const PyCore& core, const Verdict& verdict, const float* probabilities) {
  return py::make_tuple(label_of(core, verdict.label), verdict.confidence,
                        dict_of(core, probabilities), verdict.duration, verdict.speech);
}

py::tuple event_of(const PyCore& core, const Event& event, const float* probabilities) {
  const auto index = static_cast<std::int64_t>(event.frame) - 1;
  if (event.kind == Event::Kind::started) {
    return py::make_tuple("started", index, event.start, event.frames);
  }
  return py::make_tuple("ended", index, why_of(event.why), event.start, event.end, event.frames,
                        verdict_of(core, event.verdict, probabilities));
}

py::list events_of(const PyCore& core, const Results& results) {
  const std::size_t labels = core.core->labels.size();
  py::list list(results.events.size());
  for (std::size_t i = 0; i < results.events.size(); ++i) {
    list[i] = event_of(core, results.events[i], &results.event_probabilities[i * labels]);
  }
  return list;
}

}  // namespace edgeser
