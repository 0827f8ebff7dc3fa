// The one file that knows Python: checks every array, then runs a kernel without the GIL.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "error.hpp"
#include "front_end/front_end.hpp"
#include "resampler/resampler.hpp"
#include "simd/level.hpp"
#include "tacn/tacn.hpp"
#include "tacn/undo.hpp"
#include "vq_fusion/vq_fusion.hpp"

namespace py = pybind11;

namespace edgeser {
namespace {

// One axis of the shape that an argument must have: any length, called `name`, or exactly `size`.
struct Axis {
  Axis(const char* name) : name(name) {}
  Axis(std::size_t size) : size(size), name(std::to_string(size)) {}
  std::optional<std::size_t> size;
  std::string name;
};

std::string tuple(const std::vector<std::string>& items) {
  std::string text = "(";
  for (std::size_t i = 0; i < items.size(); ++i) text += (i ? ", " : "") + items[i];
  return text + (items.size() == 1 ? ",)" : ")");
}

std::string describe(py::handle object) {
  if (!py::isinstance<py::array>(object)) {
    return py::str(py::type::of(object).attr("__name__"));
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  std::vector<std::string> shape;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) shape.push_back(std::to_string(array.shape(i)));
  const bool contiguous = (array.flags() & py::array::c_style) != 0;
  return std::string(py::str(array.dtype())) + " " + tuple(shape) +
         (contiguous ? "" : ", not C-contiguous");
}

// A checked argument: a C-contiguous array of T, aligned and in the byte order of the machine.
template <class T>
class Array {
 public:
  Array(const std::string& name, py::handle object, const std::vector<Axis>& shape) : name_(name) {
    if (!matches(object, shape)) {
      std::vector<std::string> expected;
      for (const Axis& axis : shape) expected.push_back(axis.name);
      const std::string dtype = py::str(py::dtype::of<T>());
      throw Error(name + ": expected a C-contiguous " + dtype + " array of shape " +
                  tuple(expected) + ", got " + describe(object) + "; numpy.ascontiguousarray(" +
                  name + ", dtype=numpy." + dtype + ") converts type and layout");
    }
    array_ = py::reinterpret_borrow<py::array>(object);
  }

  const T* data() const { return static_cast<const T*>(array_.data()); }
  std::size_t size(py::ssize_t axis) const { return static_cast<std::size_t>(array_.shape(axis)); }

  T* mutable_data() const {
    if (!array_.writeable()) {
      throw Error(name_ + ": the array is read-only, and it must be writable; pass a copy");
    }
    return static_cast<T*>(const_cast<void*>(array_.data()));
  }

 private:
  static bool matches(py::handle object, const std::vector<Axis>& shape) {
    if (!py::isinstance<py::array_t<T>>(object)) return false;
    const auto array = py::reinterpret_borrow<py::array>(object);
    constexpr int aligned = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    if ((array.flags() & (py::array::c_style | aligned)) != (py::array::c_style | aligned)) {
      return false;
    }
    if (array.ndim() != static_cast<py::ssize_t>(shape.size())) return false;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const auto size = static_cast<std::size_t>(array.shape(static_cast<py::ssize_t>(i)));
      if (shape[i].size && *shape[i].size != size) return false;
    }
    return true;
  }

  std::string name_;
  py::array array_;
};

bool all_finite(const float* values, std::size_t count) {
  constexpr std::uint32_t exponent = 0x7f800000;
  bool finite = true;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    std::memcpy(&bits, values + i, sizeof bits);
    finite &= (bits & exponent) != exponent;
  }
  return finite;
}

void require_finite(const std::string& name, const float* values, std::size_t count) {
  if (all_finite(values, count)) return;
  std::size_t at = 0;
  while (std::isfinite(values[at])) ++at;
  throw Error(name + ": value " + std::to_string(at) + " (counted flat) is NaN or infinite; " +
              "every value must be finite");
}

// A float32 argument with finite values.
class Floats : public Array<float> {
 public:
  Floats(const std::string& name, py::handle object, const std::vector<Axis>& shape)
      : Array<float>(name, object, shape) {
    std::size_t count = 1;
    for (std::size_t i = 0; i < shape.size(); ++i) count *= size(static_cast<py::ssize_t>(i));
    require_finite(name, data(), count);
  }
};

const Level& level_from(const std::optional<std::string>& simd) {
  return find_level(simd ? simd->c_str() : nullptr);
}

std::byte* state_bytes(const std::string& name, py::handle object, std::size_t bytes) {
  return reinterpret_cast<std::byte*>(Array<std::uint8_t>(name, object, {bytes}).mutable_data());
}

py::array_t<float> new_floats(std::vector<std::size_t> shape) {
  return py::array_t<float>(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

// --- Front end ---------------------------------------------------------------------------------

template <class T>
T number(const char* table, const py::dict& values, const char* key) {
  if (values.contains(key)) {
    try {
      return py::cast<T>(values[key]);
    } catch (const py::cast_error&) {  // said below
    }
  }
  throw Error(std::string(table) + "[\"" + key + "\"]: expected a " +
              (std::is_integral_v<T> ? "whole number" : "number"));
}

// One convolution as (weight (kernel height, kernel width, in, out), bias (out), stride, padding,
// relu), stride and padding as (down, across). `kept` holds what the result points to.
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

py::tuple read(const FrontEnd& self, py::handle segments_object, py::handle levels_object) {
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
    py::gil_scoped_release release;
    self.read(segments.data(), levels.data(), rows, deep_data, latent_data, levels_data);
  }
  return py::make_tuple(std::move(deep), std::move(latent), std::move(levels_out));
}

// --- VQ fusion ---------------------------------------------------------------------------------

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
    py::gil_scoped_release release;
    self.fuse(deep.data(), latent.data(), rows, tokens_data, codes_data);
  }
  return py::make_tuple(std::move(tokens), std::move(codes));
}

// --- TACN --------------------------------------------------------------------------------------

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
                                const std::optional<std::string>& simd) {
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
      dilations_from(dilations), find_precision(precision.c_str()));
}

py::array_t<float> step(const Tacn& self, py::handle tokens_object, const py::sequence& states,
                        const py::object& active_object) {
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
  if (states.size() != rows) {
    throw Error("states: expected one for each of the " + std::to_string(rows) + " tokens, got " +
                std::to_string(states.size()));
  }
  std::vector<py::object> kept;  // the arrays stay alive while the GIL is not held
  std::vector<std::byte*> blocks;
  kept.reserve(rows);
  blocks.reserve(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    kept.push_back(states[r]);
    blocks.push_back(
        state_bytes("states[" + std::to_string(r) + "]", kept.back(), self.state_bytes()));
  }
  self.check_states(blocks.data(), rows);

  auto logits = new_floats({rows, self.outputs()});
  float* const data = logits.mutable_data();
  {
    py::gil_scoped_release release;
    for (std::size_t r = 0; r < rows; ++r) {
      if (active && !active[r]) {
        std::fill_n(data + r * self.outputs(), self.outputs(),
                    std::numeric_limits<float>::quiet_NaN());
      }
    }
    self.step(tokens.data(), blocks.data(), active, rows, data);
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

// --- Resampler ---------------------------------------------------------------------------------

py::array_t<float> process(const Resampler& self, py::handle chunk_object,
                           py::handle state_object) {
  const Floats chunk("chunk", chunk_object, {"n"});
  std::byte* const state = state_bytes("state", state_object, self.state_bytes());
  self.check_state(state);
  auto output = new_floats({self.output_count(state, chunk.size(0))});
  float* const data = output.mutable_data();
  {
    py::gil_scoped_release release;
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
    py::gil_scoped_release release;
    self.flush(state, data);
  }
  return output;
}

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

template <class T>
std::string level_name(const T& self) {
  return self.level().name;
}

void bind_front_end(py::module_& m) {
  py::class_<FrontEnd>(m, "FrontEnd", "Segments of audio to deep and latent features.")
      .def(py::init(&make_front_end), py::arg("wide"), py::arg("narrow"), py::arg("encoder"),
           py::arg("head_weight"), py::arg("head_bias"), py::kw_only(), py::arg("segments"),
           py::arg("spectrogram"), py::arg("harmonics"), py::arg("level"),
           py::arg("precision") = "float32", py::arg("simd") = py::none())
      .def("__call__", &read, py::arg("segments"), py::arg("levels"))
      .def_property_readonly("segment", &FrontEnd::segment)
      .def_property_readonly("deep", &FrontEnd::deep)
      .def_property_readonly("positions", &FrontEnd::positions)
      .def_property_readonly("code_width", &FrontEnd::code_width)
      .def_property_readonly("precision",
                             [](const FrontEnd& self) { return precision_name(self.precision()); })
      .def_property_readonly("simd", &level_name<FrontEnd>);
}

template <class T>
const char* precision_of(const T& self) {
  return precision_name(self.precision());
}

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

void bind_tacn(py::module_& m) {
  py::class_<Tacn>(m, "TACN", "Temporal attention convolutional network, one token at a time.")
      .def(py::init(&make_tacn), py::arg("query"), py::arg("key"), py::arg("value"),
           py::arg("output"), py::arg("taps"), py::arg("bias"), py::arg("head_weight"),
           py::arg("head_bias"), py::kw_only(), py::arg("heads"), py::arg("dilations"),
           py::arg("precision") = "float32", py::arg("simd") = py::none())
      .def("step", &step, py::arg("tokens"), py::arg("states"), py::arg("active") = py::none())
      .def("keep", &keep, py::arg("state"), py::arg("steps"))
      .def("put_back", &put_back, py::arg("state"), py::arg("kept"))
      .def_property_readonly("width", &Tacn::width)
      .def_property_readonly("layers", &Tacn::layers)
      .def_property_readonly("heads", &Tacn::heads)
      .def_property_readonly("taps", &Tacn::taps)
      .def_property_readonly("outputs", &Tacn::outputs)
      .def_property_readonly("receptive_field", &Tacn::receptive_field)
      .def_property_readonly("state_bytes", &Tacn::state_bytes)
      .def_property_readonly("precision", &precision_of<Tacn>)
      .def_property_readonly("simd", &level_name<Tacn>);
}

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
}
