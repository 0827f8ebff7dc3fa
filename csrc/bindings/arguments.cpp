#include "bindings/arguments.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace edgeser {

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

bool has_layout(py::handle object, const std::vector<Axis>& shape) {
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

void refuse(const std::string& name, py::handle object, const py::dtype& dtype,
            const std::vector<Axis>& shape) {
  std::vector<std::string> expected;
  for (const Axis& axis : shape) expected.push_back(axis.name);
  const std::string type = py::str(dtype);
  throw Error(name + ": expected a C-contiguous " + type + " array of shape " + tuple(expected) +
              ", got " + describe(object) + "; numpy.ascontiguousarray(" + name + ", dtype=numpy." +
              type + ") converts type and layout");
}

namespace {

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

}  // namespace

void require_finite(const std::string& name, const float* values, std::size_t count) {
  if (all_finite(values, count)) return;
  std::size_t at = 0;
  while (std::isfinite(values[at])) ++at;
  throw Error(name + ": value " + std::to_string(at) + " (counted flat) is NaN or infinite; " +
              "every value must be finite");
}

const Level& level_from(const std::optional<std::string>& simd) {
  return find_level(simd ? simd->c_str() : nullptr);
}

std::byte* state_bytes(const std::string& name, py::handle object, std::size_t bytes) {
  return reinterpret_cast<std::byte*>(Array<std::uint8_t>(name, object, {bytes}).mutable_data());
}

py::array_t<float> new_floats(std::vector<std::size_t> shape) {
  return py::array_t<float>(std::vector<py::ssize_t>(shape.begin(), shape.end()));
}

}  // namespace edgeser
