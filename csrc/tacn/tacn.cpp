#include "tacn/tacn.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "error.hpp"

namespace edgeser {
namespace {

void check_sizes(const TacnWeights& w, const std::vector<std::size_t>& dilations) {
  const auto in_range = [](const char* name, std::size_t value, std::size_t low, std::size_t high) {
    if (value < low || value > high) {
      throw Error(std::string(name) + " must be " + std::to_string(low) + ".." +
                  std::to_string(high) + ", not " + std::to_string(value));
    }
  };
  in_range("the number of layers", w.layers, 1, Tacn::max_layers);
  in_range("the width", w.width, 1, tacn_max_width);
  in_range("the number of taps", w.taps, 2, tacn_max_taps);
  in_range("the number of outputs", w.outputs, 1, tacn_max_outputs);
  if (w.heads == 0 || w.width % w.heads != 0) {
    throw Error("heads must divide the width " + std::to_string(w.width) + ", and " +
                std::to_string(w.heads) + " does not");
  }
  if (dilations.size() != w.layers) {
    throw Error("dilations: expected one for each of the " + std::to_string(w.layers) +
                " layers, got " + std::to_string(dilations.size()));
  }
  for (const std::size_t d : dilations) in_range("a dilation", d, 1, Tacn::max_dilation);
}

// Maps column c of the natural order (head by head) to the order with heads fastest.
std::size_t heads_fastest(std::size_t c, std::size_t width, std::size_t heads) {
  const std::size_t depth = width / heads;
  return c % depth * heads + c / depth;
}

// (C, 3C): the query, key and value matrices of one layer side by side, columns with heads fastest.
std::vector<float> side_by_side(const TacnWeights& w, std::size_t layer) {
  const std::size_t width = w.width;
  const float* const sources[] = {w.query, w.key, w.value};
  std::vector<float> result(width * 3 * width);
  for (std::size_t part = 0; part < 3; ++part) {
    const float* from = sources[part] + layer * width * width;
    for (std::size_t row = 0; row < width; ++row) {
      for (std::size_t c = 0; c < width; ++c, ++from) {
        result[(row * 3 + part) * width + heads_fastest(c, width, w.heads)] = *from;
      }
    }
  }
  return result;
}

// (k * C, C): G_i = output @ taps[i] for each tap, rows with heads fastest. Computed in float64,
// rounded once.
std::vector<float> fold_taps(const TacnWeights& w, std::size_t layer) {
  const std::size_t width = w.width;
  const float* const output = w.output + layer * width * width;
  std::vector<float> result(w.taps * width * width);
  std::vector<double> sum(width);
  for (std::size_t tap = 0; tap < w.taps; ++tap) {
    const float* const weights = w.tap_weights + (layer * w.taps + tap) * width * width;
    for (std::size_t row = 0; row < width; ++row) {
      sum.assign(width, 0.0);
      for (std::size_t inner = 0; inner < width; ++inner) {
        const double factor = output[row * width + inner];
        const float* const from = weights + inner * width;
        for (std::size_t c = 0; c < width; ++c) sum[c] += factor * from[c];
      }
      float* to = &result[(tap * width + heads_fastest(row, width, w.heads)) * width];
      for (const double value : sum) *to++ = static_cast<float>(value);
    }
  }
  return result;
}

}  // namespace

std::size_t bytes_of_slot(Rings rings, std::size_t width) {
  switch (rings) {
    case Rings::float32:
      return width * sizeof(float);
    case Rings::int8:
      return sizeof(float) + round_up(width, sizeof(float));
    case Rings::projections:
      break;
  }
  return 3 * width * sizeof(float);
}

const char* rings_name(Rings rings) noexcept {
  switch (rings) {
    case Rings::float32:
      return "float32";
    case Rings::int8:
      return "int8";
    case Rings::projections:
      break;
  }
  return "projections";
}

Tacn::Tacn(const Level& level, const TacnWeights& w, const std::vector<std::size_t>& dilations,
           Precision precision, bool projections)
    : level_(level), precision_(precision), step_(level.step[static_cast<std::size_t>(precision)]) {
  check_sizes(w, dilations);
  const std::size_t width = w.width;
  const Rings rings = projections                    ? Rings::projections
                      : precision == Precision::int8 ? Rings::int8
                                                     : Rings::float32;
  const std::size_t slot_bytes = bytes_of_slot(rings, width);
  const auto pack = [&](const float* weights, std::size_t inputs, std::size_t outputs,
                        const float* bias) {
    return matrices_.emplace_back(level, weights, inputs, outputs, bias, 0.0f, precision).view();
  };
  for (std::size_t n = 0; n < w.layers; ++n) {
    const std::vector<float> folded = fold_taps(w, n);
    for (const float value : folded) {
      if (!std::isfinite(value)) {
        throw Error("layer " + std::to_string(n) +
                    ": output @ taps is too large for float32; the weights look damaged");
      }
    }
    const Matrix projection = pack(side_by_side(w, n).data(), width, 3 * width, nullptr);
    const Matrix convolution = pack(folded.data(), w.taps * width, width, w.bias + n * width);
    const std::size_t slots = (w.taps - 1) * dilations[n];
    layers_.push_back({projection, convolution, dilations[n], slots, state_bytes_});
    receptive_field_ += slots;
    state_bytes_ += slots * slot_bytes;
  }
  const Matrix head = pack(w.head_weight, width, w.outputs, w.head_bias);
  const double depth = static_cast<double>(width / w.heads);
  plan_ = {width,    w.heads,        w.taps, static_cast<float>(1.0 / std::sqrt(depth)),
           w.layers, layers_.data(), rings,  slot_bytes,
           head};
}

std::size_t Tacn::state_bytes(Rings rings) const {
  return state_header_bytes + (receptive_field_ - 1) * bytes_of_slot(rings, width());
}

bool Tacn::bounded(Rings rings, const std::byte* state, float most) const {
  const auto within = [most](float value) { return std::abs(value) <= most; };  // false for NaN
  const std::byte* const end = state + state_bytes(rings);
  if (rings != Rings::int8) {
    return std::all_of(reinterpret_cast<const float*>(state + state_header_bytes),
                       reinterpret_cast<const float*>(end), within);
  }
  const std::size_t slot_bytes = bytes_of_slot(rings, width());
  for (const std::byte* slot = state + state_header_bytes; slot < end; slot += slot_bytes) {
    float scale;
    std::memcpy(&scale, slot, sizeof scale);
    const auto* const row = reinterpret_cast<const std::int8_t*>(slot + sizeof scale);
    if (!within(scale * 127.0f) || std::count(row, row + width(), std::int8_t{-128}) > 0) {
      return false;
    }
  }
  return true;
}

void Tacn::check_states(std::byte* const* states, std::size_t rows) const {
  check_state_blocks("states", states, rows, state_bytes_);
}

}  // namespace edgeser
