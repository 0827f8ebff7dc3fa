#pragma once

#include <pybind11/pybind11.h>
#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

#include <chrono>
#include <thread>

namespace edgeser {

namespace py = pybind11;

// While the interpreter shuts down, Python before 3.14 ends a daemon thread that asks for the GIL
// by pthread_exit. glibc then unwinds our frames without the GIL, and the first destructor aborts
// the process. `asking` runs only the code that can end in this way, and then keeps the thread
// waiting until the process ends, as Python 3.14 does.
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

// Releases the GIL while it exists.
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
