// _kernels.Turn and _kernels.Pool.
#include "stream/turn.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "bindings/chunk.hpp"
#include "bindings/gil.hpp"
#include "bindings/kernels.hpp"
#include "bindings/stream.hpp"
#include "stream/errors.hpp"

namespace edgeser {
namespace {

// The arguments of a call over streams, kept alive.
struct Call {
  Call(const py::sequence& streams_object, const std::optional<py::sequence>& chunks_object) {
    for (const py::handle item : streams_object) {
      if (!py::isinstance<PyStream>(item)) {
        throw StateError("expected streams, not " +
                         std::string(py::str(py::type::of(item).attr("__name__"))));
      }
      kept.push_back(py::reinterpret_borrow<py::object>(item));
      own.push_back(&py::cast<const PyStream&>(item));
      streams.push_back(&own.back()->stream());
    }
    if (!chunks_object) return;
    if (chunks_object->size() != streams.size()) {
      throw Error("chunks: expected one for each of the " + std::to_string(streams.size()) +
                  " streams, got " + std::to_string(chunks_object->size()));
    }
    for (const py::handle item : *chunks_object) {
      kept.push_back(py::reinterpret_borrow<py::object>(item));
      try {
        chunks.push_back(chunk_from(item));
      } catch (const AudioError& error) {
        if (streams.size() == 1) throw;
        throw AudioError("stream " + std::to_string(chunks.size()) + ": " + error.what());
      }
    }
  }
  const Chunk* given() const { return chunks.empty() ? nullptr : chunks.data(); }

  std::vector<py::object> kept;
  std::vector<const PyStream*> own;
  std::vector<Stream*> streams;
  std::vector<Chunk> chunks;
};

py::list results_of(const Call& call, Stream::Kind kind) {
  py::list list(call.own.size());
  for (std::size_t i = 0; i < call.own.size(); ++i) {
    const PyCore& core = call.own[i]->core();
    const Stream& stream = *call.streams[i];
    py::list frames = frames_of(core, stream.results()), events = events_of(core, stream.results());
    if (kind != Stream::Kind::flush) {
      list[i] = py::make_tuple(std::move(frames), std::move(events));
      continue;
    }
    list[i] =
        py::make_tuple(std::move(frames), std::move(events),
                       verdict_of(core, stream.verdict(), stream.verdict_probabilities().data()));
  }
  return list;
}

Stream::Kind kind_from(const std::string& name) {
  if (name == "process") return Stream::Kind::process;
  if (name == "flush") return Stream::Kind::flush;
  if (name == "calibrate") return Stream::Kind::calibrate;
  throw Error("kind must be \"process\", \"flush\" or \"calibrate\", not \"" + name + "\"");
}

class PyTurn {
 public:
  PyTurn(py::object core, const py::sequence& streams, const std::optional<py::sequence>& chunks,
         const std::string& kind, bool steps)
      : object_(std::move(core)),
        core_(*py::cast<const PyCore&>(object_).core),
        kind_(kind_from(kind)),
        call_(streams, chunks),
        workspace_(core_, std::max<std::size_t>(1, call_.streams.size()), false) {
    if ((kind_ == Stream::Kind::flush) == chunks.has_value()) {
      throw Error("chunks: one for each stream, and none to flush");
    }
    if (kind_ == Stream::Kind::calibrate) {
      if (call_.streams.size() != 1) throw Error("streams: one is calibrated at a time");
      calibrated_.emplace(*call_.streams[0]);
      if (&call_.streams[0]->core() != &core_) throw StateError("the stream is of another model");
      apart_ = std::make_unique<Stream>(call_.streams[0]->shared_core(), call_.streams[0]->rate(),
                                        StreamOptions{});
      call_.streams[0] = apart_.get();
    }
    turn_ = std::make_unique<Turn>(core_, call_.streams.data(), call_.given(), call_.streams.size(),
                                   kind_, workspace_, steps);
  }

  py::tuple segments(std::size_t most) {
    Turn& turn = open();
    std::size_t rows = 0;
    {
      const Released release;
      rows = turn.collect(most);
    }
    auto segments = new_floats({rows, core_.sizes.segment});
    auto levels = new_floats({rows});
    py::list indices(rows);
    for (std::size_t r = 0; r < rows; ++r) {
      std::copy_n(turn.segment(r), core_.sizes.segment,
                  segments.mutable_data() + r * core_.sizes.segment);
      levels.mutable_data()[r] = turn.levels()[r];
      indices[r] = turn.index(r);
    }
    batch_ = rows;
    open_ = 0;
    return py::make_tuple(std::move(indices), std::move(segments), std::move(levels));
  }

  py::tuple features(py::handle deep_object, py::handle latent_object, py::handle levels_object) {
    Turn& turn = open();
    const Floats deep("deep", deep_object, {batch_, core_.sizes.deep});
    const Floats latent("latent", latent_object,
                        {batch_, core_.sizes.positions, core_.sizes.code_width});
    const Floats levels("levels", levels_object, {batch_});
    {
      const Released release;
      open_ = turn.features(deep.data(), latent.data(), levels.data());
    }
    return opened();
  }

  py::tuple tokens(py::handle tokens_object, py::handle levels_object) {
    Turn& turn = open();
    // Values are checked where they are used; if they are not finite, the model has failed.
    const Array<float> tokens("tokens", tokens_object, {batch_, core_.sizes.width});
    const Array<float> levels("levels", levels_object, {batch_});
    {
      const Released release;
      open_ = turn.tokens(tokens.data(), levels.data());
    }
    return opened();
  }

  void step() {
    Turn& turn = open();
    const Released release;
    turn.step();
  }

  void logits(py::handle logits_object) {
    Turn& turn = open();
    const Array<float> logits("logits", logits_object, {open_, core_.labels.size()});
    const Released release;
    turn.logits(logits.data());
  }

  py::object finish() {
    open().finish();
    if (apart_ != nullptr) calibrated_->calibrate(*apart_);
    py::object results = py::none();
    if (apart_ == nullptr) results = results_of(call_, kind_);
    close();
    return results;
  }

  void close() {
    turn_.reset();
    calibrated_.reset();
  }

 private:
  // A held stream that is calibrated.
  class Calibrated {
   public:
    explicit Calibrated(Stream& stream) : stream_(stream), held_(stream) {}
    void calibrate(const Stream& heard) { stream_.calibrate(heard); }

   private:
    Stream& stream_;
    Held held_;
  };

  Turn& open() const {
    if (turn_ == nullptr) throw Error("this turn is over: make another");
    return *turn_;
  }

  py::tuple opened() const {
    const std::size_t width = core_.sizes.width;
    py::list indices(open_);
    auto heard = new_floats({open_, width});
    py::array_t<bool> begins(static_cast<py::ssize_t>(open_));
    std::copy_n(turn_->heard(), open_ * width, heard.mutable_data());
    std::copy_n(turn_->begins(), open_, begins.mutable_data());
    for (std::size_t r = 0; r < open_; ++r) indices[r] = turn_->open_index(r);
    return py::make_tuple(std::move(indices), std::move(heard), std::move(begins));
  }

  py::object object_;
  const Core& core_;
  Stream::Kind kind_;
  Call call_;
  Workspace workspace_;
  std::optional<Calibrated> calibrated_;
  std::unique_ptr<Stream> apart_;
  std::unique_ptr<Turn> turn_;
  std::size_t batch_ = 0, open_ = 0;
};

class PyPool {
 public:
  static constexpr std::size_t rows = 64;

  explicit PyPool(py::object core)
      : object_(std::move(core)),
        core_(*py::cast<const PyCore&>(object_).core),
        workspace_(core_, rows) {}

  py::list process(const py::sequence& streams, const py::sequence& chunks) {
    const Call call(streams, chunks);
    const Loan loan(core_, workspace_, taken_);
    Turn turn(core_, call.streams.data(), call.given(), call.streams.size(), Stream::Kind::process,
              *loan);
    {
      const Released release;
      turn.run();
      turn.finish();
    }
    return results_of(call, Stream::Kind::process);
  }

 private:
  py::object object_;
  const Core& core_;
  Workspace workspace_;
  std::atomic_flag taken_ = {};
};

}  // namespace

void bind_turn(py::module_& m) {
  py::class_<PyTurn>(m, "Turn", "One call over streams, computed elsewhere.")
      .def(py::init<py::object, const py::sequence&, const std::optional<py::sequence>&,
                    const std::string&, bool>(),
           py::arg("core"), py::arg("streams"), py::arg("chunks") = py::none(), py::kw_only(),
           py::arg("kind") = "process", py::arg("steps") = true)
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](PyTurn& self, const py::args&) { self.close(); })
      .def("segments", &PyTurn::segments, py::arg("most") = 64)
      .def("features", &PyTurn::features, py::arg("deep"), py::arg("latent"), py::arg("levels"))
      .def("tokens", &PyTurn::tokens, py::arg("tokens"), py::arg("levels"))
      .def("step", &PyTurn::step)
      .def("logits", &PyTurn::logits, py::arg("logits"))
      .def("finish", &PyTurn::finish);
  py::class_<PyPool>(m, "Pool", "Scratch to step many streams together.")
      .def(py::init<py::object>(), py::arg("core"))
      .def("process", &PyPool::process, py::arg("streams"), py::arg("chunks"));
}

}  // namespace edgeser
