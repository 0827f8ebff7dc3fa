#include "bindings/kernels.hpp"

#include <cstring>
#include <exception>

#include "bundle/bundle_error.hpp"
#include "error.hpp"
#include "simd/level.hpp"
#include "stream/errors.hpp"

namespace py = pybind11;

namespace edgeser {
namespace {

// The class is looked up at first use, because the package imports this module and not the other
// way round. Messages may quote paths, which can contain any bytes.
void set_error(const char* name, const char* message) {
  const py::object type = py::module_::import("edgeser.errors").attr(name);
  const py::str text = py::reinterpret_steal<py::str>(PyUnicode_DecodeUTF8(
      message, static_cast<Py_ssize_t>(std::strlen(message)), "surrogateescape"));
  PyErr_SetObject(type.ptr(), text.ptr());
}

// Each kind of Error becomes the package's class of that name; any other becomes KernelError.
void translate(std::exception_ptr exception) {
  try {
    if (exception) std::rethrow_exception(exception);
  } catch (const BundleError& error) {
    set_error("BundleError", error.what());
  } catch (const AudioError& error) {
    set_error("AudioError", error.what());
  } catch (const StateError& error) {
    set_error("StateError", error.what());
  } catch (const BusyError& error) {
    set_error("StreamBusyError", error.what());
  } catch (const BackendError& error) {
    set_error("BackendError", error.what());
  } catch (const Error& error) {
    set_error("KernelError", error.what());
  }
}

}  // namespace
}  // namespace edgeser

PYBIND11_MODULE(_kernels, m, py::mod_gil_not_used()) {
  m.doc() = "The C++ kernels of edgeser: see the stub file _kernels.pyi for shapes and units.";
  py::register_local_exception_translator(&edgeser::translate);
  m.def("simd_levels", [] {
    py::list names;
    for (const edgeser::Level* level : edgeser::usable_levels()) names.append(level->name);
    return py::tuple(names);
  });
  edgeser::bind_bundle(m);
  edgeser::bind_front_end(m);
  edgeser::bind_vq_fusion(m);
  edgeser::bind_tacn(m);
  edgeser::bind_resampler(m);
  edgeser::bind_step(m);
  edgeser::bind_chunk(m);
  edgeser::bind_core(m);
  edgeser::bind_stream(m);
  edgeser::bind_turn(m);
}
