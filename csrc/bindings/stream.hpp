#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "bindings/results.hpp"
#include "stream/stream.hpp"
#include "stream/workspace.hpp"

namespace edgeser {

// A Python stream: a stream with its core, and a workspace of its own.
class PyStream {
 public:
  PyStream(py::object core, std::shared_ptr<Stream> stream, std::shared_ptr<Detector> detector);

  const PyCore& core() const { return core_; }
  Stream& stream() const { return *stream_; }
  Workspace& workspace() { return workspace_; }

  py::tuple process(py::handle chunk);
  py::tuple flush();
  void calibrate(py::handle chunk);

  // For Python's garbage collector: an application may own both a stream and its detector.
  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  py::object object_;
  const PyCore& core_;
  std::shared_ptr<Stream> stream_;
  std::shared_ptr<Detector> detector_;  // the stream's
  Workspace workspace_;
};

// Holds a stream for one call, without a turn.
class Held {
 public:
  explicit Held(Stream& stream) : stream_(stream) { stream.hold(); }
  ~Held() { stream_.release(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  Stream& stream_;
};

}  // namespace edgeser
