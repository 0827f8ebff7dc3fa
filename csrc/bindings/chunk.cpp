#include "bindings/chunk.hpp"

#include <optional>
#include <string>

#include "bindings/arguments.hpp"
#include "bindings/kernels.hpp"
#include "stream/errors.hpp"

namespace edgeser {
namespace {

std::string no_array(py::handle object) {
  const std::string kind = py::str(py::type::of(object).attr("__name__"));
  const bool raw = PyBytes_Check(object.ptr()) || PyByteArray_Check(object.ptr()) ||
                   PyMemoryView_Check(object.ptr());
  return "a chunk is a numpy array, not " + kind +
         (raw ? ": use numpy.frombuffer(data, numpy.int16)" : ": convert it with numpy.asarray");
}

std::string shape_of(const py::array& array) {
  std::vector<std::string> sides;
  for (py::ssize_t i = 0; i < array.ndim(); ++i) sides.push_back(std::to_string(array.shape(i)));
  return tuple(sides);
}

std::optional<SampleType> type_of(const py::array& array) {
  const py::dtype dtype = array.dtype();
  const char order = dtype.byteorder();
  if (order == '>' || order == '<') return std::nullopt;  // not the native byte order
  switch (dtype.num()) {
    case py::detail::npy_api::NPY_SHORT_:
      return SampleType::int16;
    case py::detail::npy_api::NPY_FLOAT_:
      return SampleType::float32;
    case py::detail::npy_api::NPY_DOUBLE_:
      return SampleType::float64;
    default:
      return std::nullopt;
  }
}

py::array_t<float> mono(py::handle object, py::handle rate_object) {
  const int rate = rate_from(rate_object);
  const Chunk chunk = chunk_from(object);
  check_chunk(chunk, rate);
  auto result = new_floats({chunk.samples});
  to_mono(chunk, 0, chunk.samples, result.mutable_data());
  return result;
}

}  // namespace

Chunk chunk_from(py::handle object) {
  if (!py::isinstance<py::array>(object)) throw AudioError(no_array(object));
  if (py::hasattr(object, "filled") && py::hasattr(object, "mask")) {
    throw AudioError("the chunk is a masked array: fill what is masked with chunk.filled(0)");
  }
  const auto array = py::reinterpret_borrow<py::array>(object);
  if (array.ndim() != 1 && array.ndim() != 2) {
    throw AudioError("a chunk has shape (samples,) or (samples, channels), not " + shape_of(array) +
                     ": reshape it");
  }
  Chunk chunk{.data = static_cast<const std::byte*>(array.data()),
              .type = SampleType::float32,
              .samples = static_cast<std::size_t>(array.shape(0)),
              .channels = 1,
              .sample_stride = array.strides(0),
              .channel_stride = 0};
  if (array.ndim() == 2) {
    chunk.channels = static_cast<std::size_t>(array.shape(1));
    chunk.channel_stride = array.strides(1);
  }
  if (chunk.channels > most_channels && chunk.samples > 0) {
    throw AudioError("the chunk has shape " + shape_of(array) + ", that is " +
                     std::to_string(chunk.channels) + " channels, and at most " +
                     std::to_string(most_channels) +
                     " are taken: if it is (channels, samples), pass chunk.T");
  }
  const auto type = type_of(array);
  if (!type) {
    throw AudioError("samples are " + std::string(py::str(array.dtype())) +
                     "; they must be int16, or float32 or float64 in [-1, 1] (native byte order): "
                     "convert them");
  }
  chunk.type = *type;
  return chunk;
}

int rate_from(py::handle object) {
  const std::string kind = py::str(py::type::of(object).attr("__name__"));
  const bool truth = PyBool_Check(object.ptr()) || kind == "bool" || kind == "bool_";
  py::object index;
  if (!truth) index = py::reinterpret_steal<py::object>(PyNumber_Index(object.ptr()));
  if (!index) {
    PyErr_Clear();
    throw AudioError("the sample rate must be a whole number of Hz, not " +
                     std::string(py::repr(object)) + ": pass an int");
  }
  int overflow = 0;
  long long rate = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow != 0) {
    throw AudioError("a sample rate of " + std::string(py::str(index)) + " Hz is outside " +
                     std::to_string(lowest_rate) + " to " + std::to_string(highest_rate) +
                     " Hz: state the rate at which the samples were taken, in Hz");
  }
  check_rate(rate);
  return static_cast<int>(rate);
}

void bind_chunk(py::module_& m) {
  m.def("to_mono", &mono, py::arg("chunk"), py::arg("sample_rate"));
}

}  // namespace edgeser
