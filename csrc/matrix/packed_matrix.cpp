#include "matrix/packed_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "error.hpp"

namespace edgeser {
namespace {

struct Source {
  const float* weights;  // row-major (inputs, outputs)
  std::size_t inputs, outputs;

  // Zero outside the matrix.
  float at(std::size_t row, std::size_t column) const {
    return row < inputs && column < outputs ? weights[row * outputs + column] : 0.0f;
  }
};

std::size_t weight_bytes(const Level& level, std::size_t inputs, std::size_t padded,
                         Precision precision) {
  switch (precision) {
    case Precision::bfloat16:
      return inputs * round_up(padded, 2 * level.lanes) * sizeof(Pair) / 2;
    case Precision::int8:
      return round_up(inputs, quad) * padded;
    default:
      return inputs * padded * sizeof(float);
  }
}

// Calls f(first column, columns) for each panel.
template <class F>
void for_each_panel(const Level& level, std::size_t padded, F&& f) {
  const std::size_t panel = level.panel_vectors * level.lanes;
  for (std::size_t column = 0; column < padded; column += panel) {
    f(column, std::min(panel, padded - column));
  }
}

void pack_float32(const Level& level, const Source& source, std::size_t padded, float* to) {
  for_each_panel(level, padded, [&](std::size_t column, std::size_t width) {
    const std::size_t filled = std::min(width, source.outputs - column);
    for (std::size_t row = 0; row < source.inputs; ++row, to += width) {
      // The rest is zero already.
      std::copy_n(source.weights + row * source.outputs + column, filled, to);
    }
  });
}

void pack_bfloat16(const Level& level, const Source& source, std::size_t padded, Pair* to) {
  for_each_panel(level, padded, [&](std::size_t column, std::size_t width) {
    for (std::size_t row = 0; row < source.inputs; ++row) {
      for (std::size_t vector = 0; vector < width; vector += 2 * level.lanes) {
        for (std::size_t lane = 0; lane < level.lanes; ++lane) {
          const std::size_t c = vector + lane;
          const std::uint32_t low = to_bfloat16(source.at(row, column + c));
          const std::uint32_t high =
              c + level.lanes < width ? to_bfloat16(source.at(row, column + c + level.lanes)) : 0u;
          *to++ = {high << 16 | low};
        }
      }
    }
  });
}

// Symmetric: q = round(w / scale), so that the largest weight of an output maps to 127 or -127.
void pack_int8(const Level& level, const Source& source, std::size_t padded, std::int8_t* to,
               float* scales, std::int32_t* starts) {
  for (std::size_t c = 0; c < source.outputs; ++c) {
    float peak = 0;
    for (std::size_t row = 0; row < source.inputs; ++row) {
      peak = std::max(peak, std::abs(source.at(row, c)));
    }
    scales[c] = peak / 127.0f;
  }
  const auto quantised = [&](std::size_t row, std::size_t c) -> std::int8_t {
    const float weight = source.at(row, c);
    // Denormal peaks are too small for a scale.
    if (weight == 0.0f || scales[c] == 0.0f) return 0;
    const double q = std::nearbyint(static_cast<double>(weight) / scales[c]);
    return static_cast<std::int8_t>(std::clamp(q, -127.0, 127.0));
  };
  const std::size_t parts = quad / level.dot_inputs;
  for_each_panel(level, padded, [&](std::size_t column, std::size_t width) {
    for (std::size_t row = 0; row < source.inputs; row += quad) {
      for (std::size_t c = column; c < column + width; ++c) {
        for (std::size_t i = 0; i < quad; ++i, ++to) {
          *to = quantised(row + i % parts * level.dot_inputs + i / parts, c);
          starts[c] -= level.byte_zero * *to;
        }
      }
    }
  });
}

}  // namespace

std::size_t round_up(std::size_t value, std::size_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

std::uint16_t to_bfloat16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  // The largest floats would round to infinity.
  return static_cast<std::uint16_t>((rounded & 0x7f80) == 0x7f80 ? bits >> 16 : rounded);
}

PackedMatrix::PackedMatrix(const Level& level, const float* weights, std::size_t inputs,
                           std::size_t outputs, const float* bias, float padding,
                           Precision precision)
    : weights_(weight_bytes(level, inputs, round_up(outputs, level.lanes), precision)),
      bias_(round_up(outputs, level.lanes)),
      scales_(precision == Precision::int8 ? round_up(outputs, level.lanes) : 0),
      starts_(precision == Precision::int8 ? round_up(outputs, level.lanes) : 0),
      view_{weights_.data(), bias_.data(),  inputs, outputs, round_up(outputs, level.lanes),
            scales_.data(),  starts_.data()} {
  const Source source{weights, inputs, outputs};
  void* const to = weights_.data();
  switch (precision) {
    case Precision::float32:
      pack_float32(level, source, view_.padded, static_cast<float*>(to));
      break;
    case Precision::bfloat16:
      pack_bfloat16(level, source, view_.padded, static_cast<Pair*>(to));
      break;
    case Precision::int8:
      if (inputs > int8_max_inputs) {
        throw Error("int8 takes at most " + std::to_string(int8_max_inputs) + " inputs, not " +
                    std::to_string(inputs) + "; use bfloat16");
      }
      pack_int8(level, source, view_.padded, static_cast<std::int8_t*>(to), scales_.data(),
                starts_.data());
      break;
  }
  std::fill_n(bias_.data(), view_.padded, padding);
  if (bias) {
    std::copy_n(bias, outputs, bias_.data());
  } else {
    std::fill_n(bias_.data(), outputs, 0.0f);
  }
}

}  // namespace edgeser
