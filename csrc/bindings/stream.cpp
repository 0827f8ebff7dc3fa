// _kernels.Stream.
#include "bindings/stream.hpp"

#include <algorithm>
#include <string>

#include "bindings/arguments.hpp"
#include "bindings/chunk.hpp"
#include "bindings/gil.hpp"
#include "bindings/kernels.hpp"
#include "bindings/rules.hpp"
#include "stream/errors.hpp"
#include "stream/saved.hpp"
#include "stream/turn.hpp"

namespace edgeser {
namespace {

// A speech detector that is a Python callable.
class PyDetector final : public Detector {
 public:
  explicit PyDetector(py::object score) : score_(std::move(score)) {}

  double score(const float* hop, std::size_t count) override {
    std::optional<py::gil_scoped_acquire> acquired;
    asking([&] { acquired.emplace(); });
    // NumPy's copy would release the GIL, and C++ destructors would then drop references without
    // it, so this block is plain C.
    py::array_t<float> samples(static_cast<py::ssize_t>(count));
    std::copy_n(hop, count, samples.mutable_data());
    PyObject* const score =
        asking([&] { return PyObject_CallOneArg(score_.ptr(), samples.ptr()); });
    if (score == nullptr) throw py::error_already_set();
    const auto held = py::reinterpret_steal<py::object>(score);
    const double value = PyFloat_AsDouble(score);
    if (PyErr_Occurred() == nullptr) return value;
    if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
    PyErr_Clear();
    throw Error("the speech detector returned a value of type " +
                std::string(py::str(py::type::of(held).attr("__name__"))) +
                ", not a number: repair it");
  }

  PyObject* callable() const { return score_.ptr(); }
  void clear() { score_ = py::none(); }

 private:
  py::object score_;
};

std::shared_ptr<Detector> detector_from(const py::object& detector) {
  if (detector.is_none()) return nullptr;
  return std::make_shared<PyDetector>(detector);
}

std::optional<double> threshold_from(py::handle object) {
  return setting<std::optional<double>>("the detector's threshold", object, "a number");
}

std::unique_ptr<PyStream> open(py::object core, py::handle rate, py::handle adapt,
                               py::handle new_speaker_after, const std::optional<py::tuple>& rules,
                               const py::object& detector, py::handle threshold,
                               py::handle every_hop) {
  const PyCore& of = py::cast<const PyCore&>(core);
  const auto adapts = setting<std::optional<bool>>("adapt", adapt, "True, False or None");
  StreamOptions options{.adapt = adapts.value_or(of.core->adapt),
                        .new_speaker_after = setting<std::optional<double>>(
                            "new_speaker_after", new_speaker_after, "a number of seconds, or None"),
                        .threshold = threshold_from(threshold),
                        .rules = std::nullopt,
                        .every_hop = setting<bool>("every_hop", every_hop, "True or False")};
  if (rules) options.rules = rules_from(*rules);
  const auto samples = rate_from(rate);
  auto score = detector_from(detector);
  std::shared_ptr<Stream> made;
  {
    const Released release;  // designing the resampler of an odd rate takes tens of milliseconds
    made = std::make_shared<Stream>(of.core, samples, options, score);
  }
  return std::make_unique<PyStream>(std::move(core), std::move(made), std::move(score));
}

std::unique_ptr<PyStream> resume(py::object core, py::handle data, const py::object& detector,
                                 py::handle threshold) {
  const PyCore& of = py::cast<const PyCore&>(core);
  if (!PyBytes_Check(data.ptr()) && !PyByteArray_Check(data.ptr()) &&
      !PyMemoryView_Check(data.ptr())) {
    throw StateError("a saved state is bytes, not " +
                     std::string(py::str(py::type::of(data).attr("__name__"))) +
                     ": pass stream.state()");
  }
  const auto bytes = py::reinterpret_steal<py::bytes>(PyBytes_FromObject(data.ptr()));
  if (!bytes) throw py::error_already_set();
  const std::string_view view = bytes;
  auto score = detector_from(detector);
  const auto above = threshold_from(threshold);
  std::shared_ptr<Stream> loaded;
  {
    const Released release;
    loaded = load_stream(of.core, view.data(), view.size(), score, above);
  }
  return std::make_unique<PyStream>(std::move(core), std::move(loaded), std::move(score));
}

py::bytes state(const PyStream& self) {
  const Held held(self.stream());
  py::bytes bytes(nullptr, saved_size(self.stream()));
  save_stream(self.stream(), reinterpret_cast<std::byte*>(PyBytes_AS_STRING(bytes.ptr())));
  return bytes;
}

py::tuple speaker(const PyStream& self) {
  const Held held(self.stream());
  const SpeakerMemory memory = self.stream().speaker();
  const auto width = static_cast<py::ssize_t>(self.core().core->sizes.width);
  py::array_t<float> shift(width);
  std::copy_n(memory.shift, width, shift.mutable_data());
  return py::make_tuple(*memory.utterances, *memory.weight, shift);
}

py::array rings(const py::object& self) {
  const Stream& stream = py::cast<const PyStream&>(self).stream();
  return py::array_t<std::uint8_t>(static_cast<py::ssize_t>(stream.core().tacn.state_bytes()),
                                   reinterpret_cast<std::uint8_t*>(stream.rings()), self);
}

py::object rules_of(const PyStream& self) {
  const auto& rules = self.stream().options().rules;
  if (!rules) return py::none();
  return py::make_tuple(rules->speech, rules->onset, rules->hangover, rules->longest, rules->reset);
}

}  // namespace

PyStream::PyStream(py::object core, std::shared_ptr<Stream> stream,
                   std::shared_ptr<Detector> detector)
    : object_(std::move(core)),
      core_(py::cast<const PyCore&>(object_)),
      stream_(std::move(stream)),
      detector_(std::move(detector)),
      workspace_(*core_.core, 1) {}

int PyStream::traverse(visitproc visit, void* arg) const {
  Py_VISIT(object_.ptr());
  if (detector_) Py_VISIT(static_cast<const PyDetector&>(*detector_).callable());
  return 0;
}

void PyStream::clear() {
  if (detector_) static_cast<PyDetector&>(*detector_).clear();
}

// Lets Python find cycles through a stream: docs.python.org/3/c-api/gcsupport.html
static void collectable(PyHeapTypeObject* heap) {
  PyTypeObject& type = heap->ht_type;
  type.tp_flags |= Py_TPFLAGS_HAVE_GC;
  type.tp_traverse = [](PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    if (!py::detail::is_holder_constructed(self)) return 0;
    return py::cast<const PyStream&>(py::handle(self)).traverse(visit, arg);
  };
  type.tp_clear = [](PyObject* self) {
    if (py::detail::is_holder_constructed(self)) py::cast<PyStream&>(py::handle(self)).clear();
    return 0;
  };
}

py::tuple PyStream::process(py::handle object) {
  const Chunk chunk = chunk_from(object);
  Stream* const stream = stream_.get();
  Turn turn(*core_.core, &stream, &chunk, 1, Stream::Kind::process, workspace_);
  {
    const Released release;
    turn.run();
    turn.finish();
  }
  return py::make_tuple(frames_of(core_, stream->results()), events_of(core_, stream->results()));
}

py::tuple PyStream::flush() {
  Stream* const stream = stream_.get();
  Turn turn(*core_.core, &stream, nullptr, 1, Stream::Kind::flush, workspace_);
  {
    const Released release;
    turn.run();
    turn.finish();
  }
  return py::make_tuple(
      frames_of(core_, stream->results()), events_of(core_, stream->results()),
      verdict_of(core_, stream->verdict(), stream->verdict_probabilities().data()));
}

void PyStream::calibrate(py::handle object) {
  const Chunk chunk = chunk_from(object);
  const Held held(*stream_);
  const Released release;
  StreamOptions options;
  options.every_hop = stream_->options().every_hop;
  Stream apart(core_.core, stream_->rate(), options);
  Stream* const stream = &apart;
  Turn turn(*core_.core, &stream, &chunk, 1, Stream::Kind::calibrate, workspace_);
  turn.run();
  turn.finish();
  stream_->calibrate(apart);
}

void bind_stream(py::module_& m) {
  const auto held = [](auto action) {
    return [action](const PyStream& self) {
      const Held hold(self.stream());
      action(self.stream());
    };
  };
  const auto of = [](auto value) {
    return [value](const PyStream& self) { return value(self.stream()); };
  };
  py::class_<PyStream>(m, "Stream", "Audio of any rate in, frames out.",
                       py::custom_type_setup(collectable))
      .def(py::init(&open), py::arg("core"), py::arg("sample_rate"), py::kw_only(),
           py::arg("adapt") = py::none(), py::arg("new_speaker_after") = py::none(),
           py::arg("rules") = py::none(), py::arg("detector") = py::none(),
           py::arg("threshold") = py::none(), py::arg("every_hop") = true)
      .def_static("resume", &resume, py::arg("core"), py::arg("data"), py::kw_only(),
                  py::arg("detector") = py::none(), py::arg("threshold") = py::none())
      .def("process", &PyStream::process, py::arg("chunk"))
      .def("flush", &PyStream::flush)
      .def("calibrate", &PyStream::calibrate, py::arg("chunk"))
      .def("new_speaker", held([](Stream& s) { s.new_speaker(); }))
      .def("reset", held([](Stream& s) { s.reset(); }))
      .def(
          "skip",
          [](const PyStream& self, py::handle seconds) {
            const auto skipped =
                setting<double>("the time to skip", seconds, "a number of seconds");
            const Held hold(self.stream());
            self.stream().skip(skipped);
          },
          py::arg("seconds"))
      .def("state", &state)
      .def_property_readonly("speaker", &speaker)
      .def_property_readonly("rings", &rings)
      .def_property_readonly("tokens", of([](const Stream& s) { return s.memory().tokens; }))
      .def_property_readonly("sample_rate", of([](const Stream& s) { return s.rate(); }))
      .def_property_readonly("position", of([](const Stream& s) { return s.position(); }))
      .def_property_readonly("delay", of([](const Stream& s) { return s.delay(); }))
      .def_property_readonly("until_frame", of([](const Stream& s) { return s.until_frame(); }))
      .def_property_readonly("speaking", of([](const Stream& s) { return s.speaking(); }))
      .def_property_readonly("adapt", of([](const Stream& s) { return s.options().adapt; }))
      .def_property_readonly("new_speaker_after",
                             of([](const Stream& s) { return s.options().new_speaker_after; }))
      .def_property_readonly("rules", &rules_of)
      .def_property_readonly("every_hop", of([](const Stream& s) { return s.options().every_hop; }))
      .def_property_readonly("state_bytes", of([](const Stream& s) { return s.layout().bytes(); }))
      .def_property_readonly("saved_bytes", of([](const Stream& s) { return saved_size(s); }));
}

}  // namespace edgeser
