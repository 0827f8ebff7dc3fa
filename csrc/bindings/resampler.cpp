#include "resampler/resampler.hpp"

#include <memory>
#include <string>

#include "bindings/arguments.hpp"
#include "bindings/gil.hpp"
#include "bindings/kernels.hpp"

namespace edgeser {
namespace {

py::array_t<float> process(const Resampler& self, py::handle chunk_object,
                           py::handle state_object) {
  const Floats chunk("chunk", chunk_object, {"n"});
  std::byte* const state = state_bytes("state", state_object, self.state_bytes());
  self.check_state(state);
  auto output = new_floats({self.output_count(state, chunk.size(0))});
  float* const data = output.mutable_data();
  {
    const Released release;
    self.process(chunk.data(), chunk.size(0), state, data);
  }
  return output;
}

py::array_t<float> flush(const Resampler& self, py::handle state_object) {
  std::byte* const state = state_bytes("state", state_object, self.state_bytes());
  self.check_state(state);
  auto output = new_floats({self.flush_count(state)});
  float* const data = output.mutable_data();
  {
    const Released release;
    self.flush(state, data);
  }
  return output;
}

}  // namespace

void bind_resampler(py::module_& m) {
  py::class_<Resampler>(m, "Resampler", "Streaming zero-phase polyphase resampler.")
      .def(py::init([](int rate_in, int rate_out, const std::optional<std::string>& simd) {
             return std::make_unique<Resampler>(level_from(simd), rate_in, rate_out);
           }),
           py::arg("rate_in"), py::arg("rate_out"), py::arg("simd") = py::none())
      .def("process", &process, py::arg("chunk"), py::arg("state"))
      .def("flush", &flush, py::arg("state"))
      .def_property_readonly("rate_in", &Resampler::rate_in)
      .def_property_readonly("rate_out", &Resampler::rate_out)
      .def_property_readonly("taps", &Resampler::taps)
      .def_property_readonly("half_width", &Resampler::half_width)
      .def_property_readonly("delay", &Resampler::delay)
      .def_property_readonly("state_bytes", &Resampler::state_bytes)
      .def_property_readonly("simd", &level_name<Resampler>);
}

}  // namespace edgeser
