#pragma once

#include <pybind11/pybind11.h>

namespace edgeser {

// Each function adds its part to the module; a step needs the classes of its kernels.
void bind_bundle(pybind11::module_& m);
void bind_chunk(pybind11::module_& m);
void bind_core(pybind11::module_& m);
void bind_front_end(pybind11::module_& m);
void bind_resampler(pybind11::module_& m);
void bind_step(pybind11::module_& m);
void bind_stream(pybind11::module_& m);
void bind_tacn(pybind11::module_& m);
void bind_turn(pybind11::module_& m);
void bind_vq_fusion(pybind11::module_& m);

}  // namespace edgeser
