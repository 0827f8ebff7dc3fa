#include "matrix/precision.hpp"

#include <cstring>
#include <string>

#include "error.hpp"

namespace edgeser {
namespace {

constexpr const char* names[precision_count] = {"float32", "bfloat16", "int8"};

}  // namespace

const char* precision_name(Precision precision) noexcept {
  return names[static_cast<std::size_t>(precision)];
}

Precision find_precision(const char* name) {
  for (std::size_t i = 0; i < precision_count; ++i) {
    if (std::strcmp(names[i], name) == 0) return static_cast<Precision>(i);
  }
  throw Error("precision: no '" + std::string(name) + "'; use float32, bfloat16 or int8");
}

}  // namespace edgeser
