#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/gil.hpp"
#include "bindings/kernels.hpp"
#include "bindings/states.hpp"
#include "front_end/front_end.hpp"
#include "tacn/tacn.hpp"
#include "vq_fusion/vq_fusion.hpp"

namespace edgeser {
namespace {

// The three kernels in one call, without arrays in between. Points to kernels that its Python
// object keeps alive.
struct Step {
  Step(const FrontEnd& front_end, const VqFusion& fusion, const Tacn& tacn)
      : front_end(front_end), fusion(fusion), tacn(tacn) {
    const auto same = [](const char* what, std::size_t made, std::size_t taken) {
      if (made == taken) return;
      throw Error(std::string(what) + ": one kernel makes " + std::to_string(made) +
                  ", the next takes " + std::to_string(taken) + "; use kernels of one model");
    };
    same("deep features", front_end.deep(), fusion.deep_width());
    same("positions", front_end.positions(), fusion.positions());
    same("code_width", front_end.code_width(), fusion.code_width());
    same("token width", fusion.token_width(), tacn.width());
  }
  const FrontEnd& front_end;
  const VqFusion& fusion;
  const Tacn& tacn;
};

// Segments that are packed for one call of the front end: few, so that they stay in cache.
constexpr std::size_t group = 4;

void run(const Step& self, const std::vector<Floats>& segments, const float* levels,
         std::byte* const* states, float* logits, float* levels_out) {
  const std::size_t rows = segments.size(), size = self.front_end.segment();
  const std::size_t deep_width = self.fusion.deep_width();
  const std::size_t latent_width = self.fusion.positions() * self.fusion.code_width();
  std::vector<float> deep(rows * deep_width), latent(rows * latent_width);
  std::vector<float> tokens(rows * self.tacn.width()), together;
  std::vector<std::int32_t> codes(rows * self.fusion.positions());
  if (rows > 1) together.resize(group * size);
  for (std::size_t first = 0; first < rows; first += group) {
    const std::size_t count = std::min(group, rows - first);
    const float* from = segments[first].data();
    if (rows > 1) {
      for (std::size_t r = 0; r < count; ++r) {
        std::copy_n(segments[first + r].data(), size, together.data() + r * size);
      }
      from = together.data();
    }
    self.front_end.read(from, levels + first, count, deep.data() + first * deep_width,
                        latent.data() + first * latent_width, levels_out + first);
  }
  self.fusion.fuse(deep.data(), latent.data(), rows, tokens.data(), codes.data());
  for (std::size_t r = 0; r < rows; ++r) {  // before any ring changes
    const float* const token = tokens.data() + r * self.tacn.width();
    require_finite("tokens[" + std::to_string(r) + "]", token, self.tacn.width());
  }
  self.tacn.step(tokens.data(), states, nullptr, rows, logits);
}

py::tuple step(const Step& self, const py::sequence& segments_object, py::handle levels_object,
               const py::sequence& states_object) {
  const std::size_t rows = segments_object.size();
  std::vector<Floats> segments;
  segments.reserve(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    segments.emplace_back("segments[" + std::to_string(r) + "]", segments_object[r],
                          std::vector<Axis>{self.front_end.segment()});
  }
  const Floats levels("levels", levels_object, {rows});
  const States states(self.tacn, states_object, rows);
  auto logits = new_floats({rows, self.tacn.outputs()});
  auto levels_out = new_floats({rows});
  float* const logits_data = logits.mutable_data();
  float* const levels_data = levels_out.mutable_data();
  {
    const Released release;
    run(self, segments, levels.data(), states.blocks(), logits_data, levels_data);
  }
  return py::make_tuple(std::move(logits), std::move(levels_out));
}

}  // namespace

void bind_step(py::module_& m) {
  py::class_<Step>(m, "Step", "Front end, VQ fusion and TACN in one call.")
      .def(py::init<const FrontEnd&, const VqFusion&, const Tacn&>(), py::arg("front_end"),
           py::arg("fusion"), py::arg("tacn"), py::keep_alive<1, 2>(), py::keep_alive<1, 3>(),
           py::keep_alive<1, 4>())
      .def("__call__", &step, py::arg("segments"), py::arg("levels"), py::arg("states"));
}

}  // namespace edgeser
