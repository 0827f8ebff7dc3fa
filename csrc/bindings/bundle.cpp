#include "bundle/bundle.hpp"

#include <memory>
#include <string>
#include <utility>

#include "bindings/arguments.hpp"
#include "bindings/gil.hpp"
#include "bindings/kernels.hpp"
#include "bundle/bundle_error.hpp"
#include "bundle/file.hpp"
#include "bundle/limits.hpp"

namespace edgeser {
namespace {

std::shared_ptr<Bundle> read(const std::string& path, bool graph) {
  const Released release;
  const std::string bytes = read_bundle_file(path);
  try {
    return std::make_shared<Bundle>(parse_bundle(bytes, graph));
  } catch (const BundleError& error) {
    throw BundleError(path + ": " + error.what());
  }
}

std::shared_ptr<Bundle> parse(const py::bytes& bytes, bool graph) {
  const std::string_view view = bytes;
  const Released release;
  return std::make_shared<Bundle>(parse_bundle(view, graph));
}

// Read-only arrays that keep the bundle alive.
py::dict tensors(const py::object& self) {
  const auto& bundle = py::cast<const Bundle&>(self);
  py::dict result;
  for (const auto& [name, tensor] : bundle.tensors) {
    py::array_t<float> array(std::vector<py::ssize_t>(tensor.shape.begin(), tensor.shape.end()),
                             tensor.values.data(), self);
    array.attr("flags").attr("writeable") = false;
    result[py::str(name)] = std::move(array);
  }
  return result;
}

std::size_t entry(const py::dict& sizes, const char* key) {
  if (!sizes.contains(key)) throw Error(std::string("sizes: ") + key + " is missing");
  return py::cast<std::size_t>(sizes[key]);
}

py::dict shapes(const py::dict& sizes, std::size_t labels) {
  const Sizes s{.sample_rate = entry(sizes, "sample_rate"),
                .segment = entry(sizes, "segment"),
                .hop = entry(sizes, "hop"),
                .deep = entry(sizes, "deep"),
                .positions = entry(sizes, "positions"),
                .code_width = entry(sizes, "code_width"),
                .codes = entry(sizes, "codes"),
                .width = entry(sizes, "width"),
                .layers = entry(sizes, "layers"),
                .heads = entry(sizes, "heads"),
                .taps = entry(sizes, "taps"),
                .gate_hidden = entry(sizes, "gate_hidden"),
                .gate_memory = entry(sizes, "gate_memory")};
  py::dict result;
  for (const auto& [name, shape] : tensor_shapes(s, labels)) {
    py::tuple sides(shape.size());
    for (std::size_t i = 0; i < shape.size(); ++i) sides[i] = shape[i];
    result[py::str(name)] = std::move(sides);
  }
  return result;
}

py::dict size_limits() {
  py::dict result;
  for (const limits::Named& known : limits::sizes) {
    result[known.name] = py::make_tuple(known.range.low, known.range.high);
  }
  result["labels"] = py::make_tuple(limits::labels.low, limits::labels.high);
  return result;
}

}  // namespace

void bind_bundle(py::module_& m) {
  m.attr("BUNDLE_FORMAT") = bundle_format;
  m.def("size_limits", &size_limits);
  m.def("tensor_shapes", &shapes, py::arg("sizes"), py::arg("labels"));
  m.def("read_bundle", &read, py::arg("path"), py::arg("graph") = true);
  m.def("parse_bundle", &parse, py::arg("data"), py::arg("graph") = true);
  py::class_<Bundle, std::shared_ptr<Bundle>>(m, "Bundle", "The checked contents of a bundle.")
      .def_property_readonly("manifest", [](const Bundle& self) { return self.manifest_text; })
      .def_property_readonly("hash", [](const Bundle& self) { return hex(self.hash); })
      .def_property_readonly("front_end",
                             [](const Bundle& self) { return py::bytes(self.front_end); })
      .def_property_readonly("tensors", &tensors);
}

}  // namespace edgeser
