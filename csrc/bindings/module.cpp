#include "bindings/kernels.hpp"

#include <exception>

#include "error.hpp"
#include "simd/level.hpp"

namespace py = pybind11;

namespace edgeser {
namespace {

// Error becomes edgeser.KernelError. The class is looked up when it is first needed, since the
// package imports this module, not the other way round.
void translate(std::exception_ptr exception) {
  try {
    if (exception) std::rethrow_exception(exception);
  } catch (const Error& error) {
    py::object type = py::module_::import("edgeser.errors").attr("KernelError");
    py::set_error(type, error.what());
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
  edgeser::bind_front_end(m);
  edgeser::bind_vq_fusion(m);
  edgeser::bind_tacn(m);
  edgeser::bind_resampler(m);
  edgeser::bind_step(m);
}
