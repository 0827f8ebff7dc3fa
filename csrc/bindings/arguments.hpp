#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "error.hpp"
#include "simd/level.hpp"
#include "stream/errors.hpp"

namespace edgeser {

namespace py = pybind11;

// One axis of an argument's required shape: any length, called `name`, or exactly `size`.
struct Axis {
  Axis(const char* name) : name(name) {}
  Axis(std::size_t size) : size(size), name(std::to_string(size)) {}
  std::optional<std::size_t> size;
  std::string name;
};

// For messages: a shape in Python's notation, and the type of an object.
std::string tuple(const std::vector<std::string>& items);
std::string describe(py::handle object);

// Whether an array is C-contiguous, aligned and of that shape.
bool has_layout(py::handle array, const std::vector<Axis>& shape);

// Throws an Error that describes the required argument.
[[noreturn]] void refuse(const std::string& name, py::handle object, const py::dtype& dtype,
                         const std::vector<Axis>& shape);

// A setting of a stream. Throws an AudioError that names it and says what it must be.
template <class T>
T setting(const std::string& name, py::handle object, const std::string& wanted) {
  try {
    return py::cast<T>(object);
  } catch (const py::cast_error&) {
    PyErr_Clear();
    throw AudioError(name + " must be " + wanted + ", not " +
                     std::string(py::str(py::type::of(object).attr("__name__"))));
  }
}

// A checked argument: a C-contiguous array of T, aligned and in native byte order.
template <class T>
class Array {
 public:
  Array(const std::string& name, py::handle object, const std::vector<Axis>& shape) : name_(name) {
    if (!py::isinstance<py::array_t<T>>(object) || !has_layout(object, shape)) {
      refuse(name, object, py::dtype::of<T>(), shape);
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
  std::string name_;
  py::array array_;
};

// Throws Error with the position if a value is not finite.
void require_finite(const std::string& name, const float* values, std::size_t count);

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

const Level& level_from(const std::optional<std::string>& simd);

std::byte* state_bytes(const std::string& name, py::handle object, std::size_t bytes);

py::array_t<float> new_floats(std::vector<std::size_t> shape);

// A property of the kernels' classes.
template <class T>
std::string level_name(const T& self) {
  return self.level().name;
}
template <class T>
const char* precision_of(const T& self) {
  return precision_name(self.precision());
}

}  // namespace edgeser
