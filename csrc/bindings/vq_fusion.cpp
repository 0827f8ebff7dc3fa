#include "vq_fusion/vq_fusion.hpp"

#include <cstdint>
#include <memory>
#include <string>

#include "bindings/arguments.hpp"
#include "bindings/gil.hpp"
#include "bindings/kernels.hpp"

namespace edgeser {
namespace {

std::unique_ptr<VqFusion> make_vq_fusion(py::handle codebook, py::handle deep_weight,
                                         py::handle latent_weight, py::handle bias,
                                         const std::string& precision,
                                         const std::optional<std::string>& simd) {
  const Floats e("codebook", codebook, {"K", "D"});
  const Floats c("bias", bias, {"C"});
  const Floats deep("deep_weight", deep_weight, {"F", c.size(0)});
  const Floats latent("latent_weight", latent_weight, {"P*D", c.size(0)});
  if (e.size(1) == 0 || latent.size(0) % e.size(1) != 0) {
    throw Error("latent_weight: expected P*D rows, and " + std::to_string(latent.size(0)) +
                " is not a multiple of the codebook's D = " + std::to_string(e.size(1)));
  }
  return std::make_unique<VqFusion>(
      level_from(simd),
      VqFusionWeights{e.size(0), e.size(1), latent.size(0) / e.size(1), deep.size(0), c.size(0),
                      e.data(), deep.data(), latent.data(), c.data()},
      find_precision(precision.c_str()));
}

py::tuple fuse(const VqFusion& self, py::handle deep_object, py::handle latent_object) {
  const Floats deep("deep", deep_object, {"B", self.deep_width()});
  const std::size_t rows = deep.size(0);
  const Floats latent("latent", latent_object, {rows, self.positions(), self.code_width()});
  auto tokens = new_floats({rows, self.token_width()});
  py::array_t<std::int32_t> codes({rows, self.positions()});
  float* const tokens_data = tokens.mutable_data();
  std::int32_t* const codes_data = codes.mutable_data();
  {
    const Released release;
    self.fuse(deep.data(), latent.data(), rows, tokens_data, codes_data);
  }
  return py::make_tuple(std::move(tokens), std::move(codes));
}

}  // namespace

void bind_vq_fusion(py::module_& m) {
  py::class_<VqFusion>(m, "VQFusion", "Fused nearest-code lookup and projection to tokens.")
      .def(py::init(&make_vq_fusion), py::arg("codebook"), py::arg("deep_weight"),
           py::arg("latent_weight"), py::arg("bias"), py::kw_only(),
           py::arg("precision") = "float32", py::arg("simd") = py::none())
      .def("__call__", &fuse, py::arg("deep"), py::arg("latent"))
      .def_property_readonly("codes", &VqFusion::codes)
      .def_property_readonly("code_width", &VqFusion::code_width)
      .def_property_readonly("positions", &VqFusion::positions)
      .def_property_readonly("deep_width", &VqFusion::deep_width)
      .def_property_readonly("token_width", &VqFusion::token_width)
      .def_property_readonly("precision", &precision_of<VqFusion>)
      .def_property_readonly("simd", &level_name<VqFusion>);
}

}  // namespace edgeser
