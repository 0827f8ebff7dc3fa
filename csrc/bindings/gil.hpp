#pragma once

#include <pybind11/pybind11.h>
#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

#include <chrono>
#include <thread>

namespace edgeser {

namespace py = pybind11;

// A daemon thread that wants the interpreter when that has begun to end is ended by Python before
// 3.14 where it stands, by pthread_exit; glibc then unwinds our frames without the interpreter,
// which aborts the whole process in the first destructor. `asking` does what may end so, nothing
// else, and then keeps the thread waiting for the end of the process, as Python 3.14 does.
template <class Ask>
auto asking(const Ask& ask) {
#if defined(__GLIBCXX__)
  try {
    return ask();
  } catch (abi::__forced_unwind&) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
#else
  return ask();
#endif
}

// While it lives, other threads may have the interpreter.
class Released {
 public:
  Released() : thread_(PyEval_SaveThread()) {}
  ~Released() {
    asking([this] { PyEval_RestoreThread(thread_); });
  }
  Released(const Released&) = delete;
  Released& operator=(const Released&) = delete;

 private:
  PyThreadState* thread_;
};

}  // namespace edgeser
