// _kernels.Core and _kernels.Endpointer.
#include "stream/core.hpp"

#include "bindings/gil.hpp"
#include "bindings/kernels.hpp"
#include "bindings/results.hpp"
#include "bindings/rules.hpp"
#include "stream/endpointer.hpp"

namespace edgeser {
namespace {

std::unique_ptr<PyCore> make_core(const Bundle& bundle, const std::string& precision,
                                  bool projections, const std::optional<std::string>& simd) {
  const Precision kept = find_precision(precision.c_str());
  const Level& level = level_from(simd);
  std::shared_ptr<const Core> core;
  {
    const Released release;
    core = std::make_shared<const Core>(bundle, level, kept, projections);
  }
  return std::make_unique<PyCore>(std::move(core));
}

// The endpointing rules together with their memory.
class PyEndpointer {
 public:
  PyEndpointer(py::object core, const py::tuple& rules)
      : object_(std::move(core)),
        core_(py::cast<const PyCore&>(object_)),
        endpointer_(*core_.core, rules_from(rules), core_.core->thresholds.speech),
        sums_(1 + core_.core->labels.size()),
        verdict_(core_.core->labels.size()) {}

  py::list hear(double time, float speech, bool open, const std::vector<float>& probabilities) {
    if (probabilities.size() != verdict_.size()) {
      throw Error("probabilities: expected one for each of the " + std::to_string(verdict_.size()) +
                  " labels, got " + std::to_string(probabilities.size()));
    }
    const Frame frame{.time = time,
                      .confidence = 0,
                      .speech = speech,
                      .level = 0,
                      .label = no_label,
                      .open = open};
    Event event;
    if (!endpointer_.hear(frame, probabilities.data(), memory_, sums_.data(), event,
                          verdict_.data())) {
      return py::list();
    }
    event.frame = 1;
    return told(event);
  }

  py::list flush() {
    Event event;
    if (!endpointer_.flush(memory_, sums_.data(), event, verdict_.data())) return py::list();
    return told(event);
  }

  bool speaking() const { return memory_.speaking != 0; }
  double threshold() const { return endpointer_.threshold(); }

 private:
  py::list told(const Event& event) const {
    py::list list(1);
    list[0] = event_of(core_, event, verdict_.data());
    return list;
  }

  py::object object_;
  const PyCore& core_;
  Endpointer endpointer_;
  UtteranceMemory memory_;
  std::vector<double> sums_;
  std::vector<float> verdict_;
};

}  // namespace

UtteranceRules rules_from(const py::tuple& fields) {
  try {
    const auto [speech, onset, hangover, longest, reset] =
        py::cast<std::tuple<std::optional<double>, double, double, double, bool>>(fields);
    return {speech, onset, hangover, longest, reset};
  } catch (const py::cast_error&) {
    throw Error("rules: expected (speech or None, onset, hangover, longest, reset)");
  }
}

void bind_core(py::module_& m) {
  using Kept = py::return_value_policy;
  py::class_<PyCore>(m, "Core", "What all streams of a model share.")
      .def(py::init(&make_core), py::arg("bundle"), py::kw_only(), py::arg("precision") = "float32",
           py::arg("projections") = false, py::arg("simd") = py::none())
      .def_property_readonly(
          "front_end", [](const PyCore& self) { return self.core->front_end.get(); },
          Kept::reference_internal)
      .def_property_readonly(
          "fusion", [](const PyCore& self) { return &self.core->fusion; }, Kept::reference_internal)
      .def_property_readonly(
          "tacn", [](const PyCore& self) { return &self.core->tacn; }, Kept::reference_internal)
      .def_property_readonly("labels", [](const PyCore& self) { return self.labels; })
      .def_property_readonly("hash", [](const PyCore& self) { return hex(self.core->hash); })
      .def_property_readonly("hop", [](const PyCore& self) { return self.core->hop_seconds(); })
      .def_property_readonly("precision",
                             [](const PyCore& self) { return precision_of(self.core->tacn); })
      .def_property_readonly("simd",
                             [](const PyCore& self) { return level_name(self.core->tacn); });
  py::class_<PyEndpointer>(m, "Endpointer", "The rules of utterances alone.")
      .def(py::init<py::object, const py::tuple&>(), py::arg("core"), py::arg("rules"))
      .def("hear", &PyEndpointer::hear, py::arg("time"), py::arg("speech"), py::arg("open"),
           py::arg("probabilities"))
      .def("flush", &PyEndpointer::flush)
      .def_property_readonly("speaking", &PyEndpointer::speaking)
      .def_property_readonly("threshold", &PyEndpointer::threshold);
}

}  // namespace edgeser
