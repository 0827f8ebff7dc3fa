#include "tacn/tacn.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/gil.hpp"
#include "bindings/kernels.hpp"
#include "bindings/states.hpp"
#include "tacn/undo.hpp"

namespace edgeser {
namespace {

std::vector<std::size_t> dilations_from(const py::sequence& sequence) {
  std::vector<std::size_t> dilations;
  for (const py::handle item : sequence) {
    if (!py::isinstance<py::int_>(item)) {
      throw Error("dilations: expected integers, got " + describe(item));
    }
    const auto value = py::cast<long long>(item);
    if (value < 1) throw Error("dilations: every dilation must be at least 1");
    dilations.push_back(static_cast<std::size_t>(value));
  }
  return dilations;
}

std::unique_ptr<Tacn> make_tacn(py::handle query, py::handle key, py::handle value,
                                py::handle output, py::handle taps, py::handle bias,
                                py::handle head_weight, py::handle head_bias, long long heads,
                                const py::sequence& dilations, const std::string& precision,
                                bool projections, const std::optional<std::string>& simd) {
  const Floats b("bias", bias, {"N", "C"});
  const std::size_t n = b.size(0), c = b.size(1);
  const Floats q("query", query, {n, c, c}), k("key", key, {n, c, c}), v("value", value, {n, c, c});
  const Floats o("output", output, {n, c, c}), t("taps", taps, {n, "k", c, c});
  const Floats hb("head_bias", head_bias, {"L+1"});
  const Floats hw("head_weight", head_weight, {c, hb.size(0)});
  if (heads < 1) throw Error("heads must be at least 1, not " + std::to_string(heads));
  return std::make_unique<Tacn>(
      level_from(simd),
      TacnWeights{n, c, t.size(1), hb.size(0), static_cast<std::size_t>(heads), q.data(), k.data(),
                  v.data(), o.data(), t.data(), b.data(), hw.data(), hb.data()},
      dilations_from(dilations), find_precision(precision.c_str()), projections);
}

py::array_t<float> step_tokens(const Tacn& self, py::handle tokens_object,
                               const py::sequence& states, const py::object& active_object) {
  const Array<float> tokens("tokens", tokens_object, {"B", self.width()});
  const std::size_t rows = tokens.size(0);
  std::optional<Array<bool>> mask;
  if (!active_object.is_none()) mask.emplace("active", active_object, std::vector<Axis>{rows});
  const bool* const active = mask ? mask->data() : nullptr;
  for (std::size_t r = 0; r < rows; ++r) {
    if (active && !active[r]) continue;
    require_finite("tokens[" + std::to_string(r) + "]", tokens.data() + r * self.width(),
                   self.width());
  }
  const States blocks(self, states, rows);
  auto logits = new_floats({rows, self.outputs()});
  float* const data = logits.mutable_data();
  {
    const Released release;
    for (std::size_t r = 0; r < rows; ++r) {
      if (active && !active[r]) {
        std::fill_n(data + r * self.outputs(), self.outputs(),
                    std::numeric_limits<float>::quiet_NaN());
      }
    }
    self.step(tokens.data(), blocks.blocks(), active, rows, data);
  }
  return logits;
}

py::array_t<std::uint8_t> keep(const Tacn& self, py::handle state_object, std::size_t steps) {
  std::byte* const state = state_bytes("state", state_object, self.state_bytes());
  self.check_states(&state, 1);
  py::array_t<std::uint8_t> kept(static_cast<py::ssize_t>(undo_bytes(self.plan(), steps)));
  keep_for_undo(self.plan(), state, steps, reinterpret_cast<std::byte*>(kept.mutable_data()));
  return kept;
}

void put_back(const Tacn& self, py::handle state_object, py::handle kept_object) {
  std::byte* const state = state_bytes("state", state_object, self.state_bytes());
  const Array<std::uint8_t> kept("kept", kept_object, {"n"});
  undo(self.plan(), state, reinterpret_cast<const std::byte*>(kept.data()), kept.size(0));
}

}  // namespace

void bind_tacn(py::module_& m) {
  py::class_<Tacn>(m, "TACN", "Temporal attention convolutional network, one token at a time.")
      .def(py::init(&make_tacn), py::arg("query"), py::arg("key"), py::arg("value"),
           py::arg("output"), py::arg("taps"), py::arg("bias"), py::arg("head_weight"),
           py::arg("head_bias"), py::kw_only(), py::arg("heads"), py::arg("dilations"),
           py::arg("precision") = "float32", py::arg("projections") = false,
           py::arg("simd") = py::none())
      .def("step", &step_tokens, py::arg("tokens"), py::arg("states"),
           py::arg("active") = py::none())
      .def("keep", &keep, py::arg("state"), py::arg("steps"))
      .def("put_back", &put_back, py::arg("state"), py::arg("kept"))
      .def_property_readonly("width", &Tacn::width)
      .def_property_readonly("layers", &Tacn::layers)
      .def_property_readonly("heads", &Tacn::heads)
      .def_property_readonly("taps", &Tacn::taps)
      .def_property_readonly("outputs", &Tacn::outputs)
      .def_property_readonly("receptive_field", &Tacn::receptive_field)
      .def_property_readonly("state_bytes", [](const Tacn& self) { return self.state_bytes(); })
      .def_property_readonly("rings", [](const Tacn& self) { return rings_name(self.rings()); })
      .def_property_readonly("precision", &precision_of<Tacn>)
      .def_property_readonly("simd", &level_name<Tacn>);
}

}  // namespace edgeser
