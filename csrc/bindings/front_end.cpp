#include "front_end/front_end.hpp"

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/gil.hpp"
#include "bindings/kernels.hpp"

namespace edgeser {
namespace {

template <class T>
T number(const char* table, const py::dict& values, const char* key) {
  if (values.contains(key)) {
    try {
      return py::cast<T>(values[key]);
    } catch (const py::cast_error&) {  // reported below
    }
  }
  throw Error(std::string(table) + "[\"" + key + "\"]: expected a " +
              (std::is_integral_v<T> ? "whole number" : "number"));
}

// One convolution as (weight (kernel height, kernel width, in, out), bias (out), stride, padding,
// relu), with stride and padding as (down, across). `kept` owns what the result points to.
ConvolutionWeights convolution_from(const std::string& name, const py::handle item,
                                    std::vector<Floats>& kept) {
  try {
    const auto [weight, bias, stride, padding, relu] =
        py::cast<std::tuple<py::object, py::object, std::pair<std::size_t, std::size_t>,
                            std::pair<std::size_t, std::size_t>, bool>>(item);
    const Floats& w = kept.emplace_back(
        name + ".weight", weight, std::vector<Axis>{"kernel height", "kernel width", "in", "out"});
    const ConvolutionWeights result{w.size(0),    w.size(1),     w.size(2),     w.size(3),
                                    stride.first, stride.second, padding.first, padding.second,
                                    relu,         w.data(),      nullptr};
    const Floats& b = kept.emplace_back(name + ".bias", bias, std::vector<Axis>{result.outputs});
    ConvolutionWeights whole = result;
    whole.bias = b.data();
    return whole;
  } catch (const py::cast_error&) {
    throw Error(name + ": expected (weight, bias, (stride down, across), (padding down, across), " +
                "relu)");
  }
}

std::vector<ConvolutionWeights> body_from(const std::string& name, const py::sequence& items,
                                          std::vector<Floats>& kept) {
  std::vector<ConvolutionWeights> layers;
  for (const py::handle item : items) {
    layers.push_back(
        convolution_from(name + "[" + std::to_string(layers.size()) + "]", item, kept));
  }
  return layers;
}

std::unique_ptr<FrontEnd> make_front_end(const py::sequence& wide, const py::sequence& narrow,
                                         const py::sequence& encoder, py::handle head_weight,
                                         py::handle head_bias, const py::dict& segments,
                                         const py::dict& spectrogram, const py::dict& harmonics,
                                         const py::dict& level, const std::string& precision,
                                         const std::optional<std::string>& simd) {
  const Floats bias("head_bias", head_bias, {"F"});
  const Floats head("head_weight", head_weight, {"features", bias.size(0)});
  std::vector<Floats> kept;
  FrontEndWeights w{};
  w.segment = number<std::size_t>("segments", segments, "segment");
  w.hop = number<std::size_t>("segments", segments, "hop");
  w.sample_rate = number<std::size_t>("segments", segments, "sample_rate");
  w.spectrogram_window = number<std::size_t>("spectrogram", spectrogram, "window");
  w.spectrogram_hop = number<std::size_t>("spectrogram", spectrogram, "hop");
  if (narrow.size() > 0) {
    w.harmonics_window = number<std::size_t>("harmonics", harmonics, "window");
    w.harmonics_hop = number<std::size_t>("harmonics", harmonics, "hop");
    w.harmonics_bands = number<std::size_t>("harmonics", harmonics, "bands");
    w.harmonics_lowest = number<double>("harmonics", harmonics, "lowest");
    w.harmonics_bands_an_octave = number<double>("harmonics", harmonics, "bands_an_octave");
  }
  w.level.rise = number<float>("level", level, "rise");
  w.level.fall = number<float>("level", level, "fall");
  w.level.fall_limit = number<float>("level", level, "fall_limit");
  w.level.headroom = number<float>("level", level, "headroom");
  w.level.quietest = number<float>("level", level, "quietest");
  w.level.dynamic_range = number<float>("level", level, "dynamic_range");
  w.level.unset = number<float>("level", level, "unset");
  w.level.first_bin = number<std::size_t>("level", level, "first_bin");
  w.wide = body_from("wide", wide, kept);
  w.narrow = body_from("narrow", narrow, kept);
  w.encoder = body_from("encoder", encoder, kept);
  w.deep = bias.size(0);
  w.head_inputs = head.size(0);
  w.head_weight = head.data();
  w.head_bias = bias.data();
  return std::make_unique<FrontEnd>(level_from(simd), w, find_precision(precision.c_str()));
}

py::tuple read_segments(const FrontEnd& self, py::handle segments_object,
                        py::handle levels_object) {
  const Floats segments("segments", segments_object, {"B", self.segment()});
  const std::size_t rows = segments.size(0);
  const Floats levels("levels", levels_object, {rows});
  auto deep = new_floats({rows, self.deep()});
  auto latent = new_floats({rows, self.positions(), self.code_width()});
  auto levels_out = new_floats({rows});
  float* const deep_data = deep.mutable_data();
  float* const latent_data = latent.mutable_data();
  float* const levels_data = levels_out.mutable_data();
  {
    const Released release;
    self.read(segments.data(), levels.data(), rows, deep_data, latent_data, levels_data);
  }
  return py::make_tuple(std::move(deep), std::move(latent), std::move(levels_out));
}

}  // namespace

void bind_front_end(py::module_& m) {
  py::class_<FrontEnd>(m, "FrontEnd", "Segments of audio to deep and latent features.")
      .def(py::init(&make_front_end), py::arg("wide"), py::arg("narrow"), py::arg("encoder"),
           py::arg("head_weight"), py::arg("head_bias"), py::kw_only(), py::arg("segments"),
           py::arg("spectrogram"), py::arg("harmonics"), py::arg("level"),
           py::arg("precision") = "float32", py::arg("simd") = py::none())
      .def("__call__", &read_segments, py::arg("segments"), py::arg("levels"))
      .def_property_readonly("segment", &FrontEnd::segment)
      .def_property_readonly("deep", &FrontEnd::deep)
      .def_property_readonly("positions", &FrontEnd::positions)
      .def_property_readonly("code_width", &FrontEnd::code_width)
      .def_property_readonly("precision", &precision_of<FrontEnd>)
      .def_property_readonly("simd", &level_name<FrontEnd>);
}

}  // namespace edgeser
