#include "front_end/front_end.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "error.hpp"
#include "front_end/spectrum.hpp"

namespace edgeser {
namespace {

constexpr std::size_t largest_size = 1 << 20;

void in_range(const std::string& name, std::size_t value, std::size_t low, std::size_t high) {
  if (value < low || value > high) {
    throw Error(name + " must be " + std::to_string(low) + ".." + std::to_string(high) + ", not " +
                std::to_string(value));
  }
}

void finite_above(const char* name, double value, double low) {
  if (!(value > low) || !std::isfinite(value)) {
    throw Error(std::string(name) + " must be finite and above " + std::to_string(low));
  }
}

MapPlan map_plan(std::size_t height, std::size_t width, std::size_t channels,
                 std::size_t border_height = 0, std::size_t border_width = 0) {
  const std::size_t row = (width + 2 * border_width) * channels;
  return {height,   width,
          channels, border_height * row + border_width * channels,
          row,      (height + 2 * border_height) * row};
}

void check_sizes(const FrontEndWeights& w) {
  in_range("segment", w.segment, 1, largest_size);
  in_range("sample_rate", w.sample_rate, 1, largest_size);
  in_range("spectrogram.window", w.spectrogram_window, 4, std::min<std::size_t>(w.segment, 2048));
  in_range("spectrogram.hop", w.spectrogram_hop, 1, w.segment);
  require(w.spectrogram_window % 4 == 0, "spectrogram.window must be a multiple of 4");
  in_range("hop", w.hop, w.spectrogram_hop, w.segment);
  const LevelWeights& level = w.level;
  in_range("level.first_bin", level.first_bin, 1, w.spectrogram_window / 2);
  for (const float value : {level.rise, level.fall, level.fall_limit, level.headroom,
                            level.quietest, level.dynamic_range, level.unset}) {
    require(std::isfinite(value), "level: every constant must be finite");
  }
  finite_above("level.dynamic_range", static_cast<double>(level.dynamic_range), 0);
  if (w.narrow.empty()) return;
  in_range("harmonics.window", w.harmonics_window, 2, std::min<std::size_t>(w.segment, 8192));
  require(w.harmonics_window % 2 == 0, "harmonics.window must be even");
  in_range("harmonics.hop", w.harmonics_hop, 1, w.segment);
  in_range("harmonics.bands", w.harmonics_bands, 1, 4096);
  finite_above("harmonics.lowest", w.harmonics_lowest, 0);
  finite_above("harmonics.bands_an_octave", w.harmonics_bands_an_octave, 0);
}

}  // namespace

Matrix FrontEnd::pack(const std::vector<float>& weights, std::size_t inputs, std::size_t outputs,
                      const float* bias, Precision precision) {
  return matrices_.emplace_back(level_, weights.data(), inputs, outputs, bias, 0.0f, precision)
      .view();
}

const float* FrontEnd::keep(std::vector<float> values) {
  return tables_.emplace_back(std::move(values)).data();
}

void FrontEnd::plan_harmonics(const FrontEndWeights& w) {
  const std::size_t window = w.harmonics_window, half = window / 2, bands = w.harmonics_bands;
  std::vector<float> half_window, cosines(half * bands), sines(half * bands);
  double sum = 0;
  for (std::size_t n = 0; n < window; ++n) sum += hann(n, window);
  const double scale = std::numbers::sqrt2 / sum;  // a tone in a band gives its mean square
  std::vector<double> hertz;
  for (std::size_t b = 0; b < bands; ++b) {
    hertz.push_back(w.harmonics_lowest *
                    std::exp2(static_cast<double>(b) / w.harmonics_bands_an_octave));
  }
  finite_above("harmonics: the frequency of the highest band", hertz.back(), 0);
  for (std::size_t m = 0; m < half; ++m) {
    half_window.push_back(static_cast<float>(hann(half + m, window)));
    for (std::size_t b = 0; b < bands; ++b) {
      const double phase = 2 * std::numbers::pi * hertz[b] * static_cast<double>(m) /
                           static_cast<double>(w.sample_rate);
      cosines[m * bands + b] = static_cast<float>(std::cos(phase) * scale);
      sines[m * bands + b] = static_cast<float>(std::sin(phase) * scale);
    }
  }
  HarmonicsPlan& plan = plan_.harmonics;
  plan.window = window;
  plan.hop = w.harmonics_hop;
  plan.frames = (w.segment - window) / w.harmonics_hop + 1;
  plan.bands = bands;
  plan.start = w.segment - window - (plan.frames - 1) * w.harmonics_hop;
  plan.hann = keep(std::move(half_window));
  plan.cosines = pack(cosines, half, bands);
  plan.sines = pack(sines, half, bands);
}

BodyPlan FrontEnd::plan_body(const std::string& name,
                             const std::vector<ConvolutionWeights>& weights, std::size_t height,
                             std::size_t width) {
  std::vector<ConvolutionPlan> layers;
  std::size_t channels = 1;
  for (const ConvolutionWeights& w : weights) {
    const std::string place = name + "[" + std::to_string(layers.size()) + "]";
    in_range(place + ": the kernel's height", w.kernel_height, 1, 64);
    in_range(place + ": the kernel's width", w.kernel_width, 1, 64);
    in_range(place + ": the stride", std::min(w.stride_height, w.stride_width), 1, 64);
    in_range(place + ": the padding", std::max(w.padding_height, w.padding_width), 0, 64);
    in_range(place + ": the number of outputs", w.outputs, 1, 4096);
    if (w.inputs != channels) {
      throw Error(place + ": takes " + std::to_string(w.inputs) + " channels, and " +
                  std::to_string(channels) + " come in");
    }
    const MapPlan input = map_plan(height, width, channels, w.padding_height, w.padding_width);
    const std::size_t room_height = height + 2 * w.padding_height;
    const std::size_t room_width = width + 2 * w.padding_width;
    if (w.kernel_height > room_height || w.kernel_width > room_width) {
      throw Error(place + ": the kernel is larger than the map that comes in");
    }
    height = (room_height - w.kernel_height) / w.stride_height + 1;
    width = (room_width - w.kernel_width) / w.stride_width + 1;
    channels = w.outputs;
    const std::size_t row = w.kernel_width * w.inputs;
    const std::size_t piece = precision_ == Precision::int8 ? round_up(row, quad) : row;
    std::vector<float> values;
    for (std::size_t k = 0; k < w.kernel_height; ++k) {
      const float* const from = w.weights + k * row * w.outputs;
      values.insert(values.end(), from, from + row * w.outputs);
      values.resize((k + 1) * piece * w.outputs, 0.0f);
    }
    if (input.floats > front_end_map) {
      throw Error(place + ": a map of " + std::to_string(input.floats) +
                  " floats comes in, and at most " + std::to_string(front_end_map) + " may");
    }
    if (!layers.empty()) layers.back().output = input;
    layers.push_back({input, map_plan(height, width, channels),
                      pack(values, w.kernel_height * piece, w.outputs, w.bias, precision_), piece,
                      w.kernel_height, w.kernel_width, w.stride_height, w.stride_width, w.relu});
  }
  const auto& kept = bodies_.emplace_back(std::move(layers));
  return {kept.data(), kept.size()};
}

void FrontEnd::check_scratch() const {
  const SpectrogramPlan& s = plan_.spectrogram;
  const HarmonicsPlan& h = plan_.harmonics;
  std::size_t most = spectrum_frames * folds * (s.window / 4 + 1 + s.even_cosines.padded);
  if (plan_.narrow_features) {
    most = std::max(most, h.frames * (h.window + 2 * h.cosines.padded));
  }
  for (const BodyPlan& body : {plan_.wide, plan_.narrow, plan_.encoder}) {
    std::size_t before = 0;  // maps of earlier layers keep their places
    for (std::size_t n = 0; n < body.count; ++n) {
      const ConvolutionPlan& layer = body.layers[n];
      before += layer.input.floats;
      const std::size_t output = n + 1 == body.count ? 0 : layer.output.floats;
      most = std::max(most, before + output);
    }
  }
  most = std::max(most, front_end_head_rows * plan_.head.padded);
  most += front_end_head_rows * (plan_.wide_features + plan_.narrow_features) +
          plan_.wide_view.floats + plan_.narrow_view.floats;
  if (most > front_end_scratch) {
    throw Error("the front end needs " + std::to_string(most) + " floats for its maps, and has " +
                std::to_string(front_end_scratch) + ": use fewer channels or larger strides");
  }
}

FrontEnd::FrontEnd(const Level& level, const FrontEndWeights& w, Precision precision)
    : level_(level), precision_(precision), read_(level.read[static_cast<std::size_t>(precision)]) {
  check_sizes(w);
  require(!w.wide.empty(), "wide: there must be at least one convolution");
  require(!w.encoder.empty(), "encoder: there must be at least one convolution");
  in_range("head_bias: the number of deep features", w.deep, 1, 4096);
  plan_.segment = w.segment;
  spectrogram_.emplace(level, w.spectrogram_window, w.spectrogram_hop, w.segment);
  plan_.spectrogram = spectrogram_->plan();
  const SpectrogramPlan& spectrogram = plan_.spectrogram;
  plan_.wide_view = map_plan(spectrogram.frames, spectrogram.bins, 1);
  plan_.level = {
      w.level.rise,     w.level.fall,      w.level.fall_limit,
      w.level.headroom, w.level.quietest,  w.level.dynamic_range,
      w.level.unset,    w.level.first_bin, std::min(w.hop / w.spectrogram_hop, spectrogram.frames)};
  plan_.wide = plan_body("wide", w.wide, spectrogram.frames, spectrogram.bins);
  plan_.encoder = plan_body("encoder", w.encoder, spectrogram.frames, spectrogram.bins);
  plan_.wide_features = plan_.wide.layers[plan_.wide.count - 1].output.floats;
  const MapPlan& latent = plan_.encoder.layers[plan_.encoder.count - 1].output;
  plan_.latent_floats = latent.floats;
  positions_ = latent.height * latent.width;
  if (!w.narrow.empty()) {
    plan_harmonics(w);
    plan_.narrow_view = map_plan(plan_.harmonics.frames, plan_.harmonics.bands, 1);
    plan_.narrow = plan_body("narrow", w.narrow, plan_.harmonics.frames, plan_.harmonics.bands);
    plan_.narrow_features = plan_.narrow.layers[plan_.narrow.count - 1].output.floats;
  }
  const std::size_t features = plan_.wide_features + plan_.narrow_features;
  if (w.head_inputs != features) {
    throw Error("head_weight: expected a row for each of the " + std::to_string(features) +
                " features that the bodies give, got " + std::to_string(w.head_inputs));
  }
  plan_.head = pack({w.head_weight, w.head_weight + features * w.deep}, features, w.deep,
                    w.head_bias, precision_);
  check_scratch();
}

}  // namespace edgeser
