#include "bundle/front_end.hpp"

#include "bundle/bundle_error.hpp"

namespace edgeser {
namespace {

std::vector<ConvolutionWeights> body(const Bundle& bundle, const char* name,
                                     const std::vector<Convolution>& layers) {
  std::vector<ConvolutionWeights> result;
  for (const Convolution& layer : layers) {
    const std::string stem = std::string("frontend.") + name + "." + std::to_string(result.size());
    const Tensor& weight = bundle.tensors.at(stem + ".weight");
    const Tensor& bias = bundle.tensors.at(stem + ".bias");
    if (bias.shape[0] != weight.shape[3]) {
      throw BundleError("kernels.safetensors: " + stem + ".bias does not fit its weight");
    }
    result.push_back({weight.shape[0], weight.shape[1], weight.shape[2], weight.shape[3],
                      layer.stride.first, layer.stride.second, layer.padding.first,
                      layer.padding.second, layer.relu, weight.values.data(), bias.values.data()});
  }
  return result;
}

}  // namespace

std::unique_ptr<const FrontEnd> native_front_end(const Bundle& bundle, const Level& level,
                                                 Precision precision) {
  if (!bundle.manifest.network) return nullptr;
  const Network& network = *bundle.manifest.network;
  const Sizes& s = bundle.manifest.sizes;
  const Tensor& head = bundle.tensors.at("frontend.head.weight");
  const Tensor& bias = bundle.tensors.at("frontend.head.bias");
  if (bias.shape[0] != head.shape[1]) {
    throw BundleError("kernels.safetensors: frontend.head.bias does not fit its weight");
  }
  const auto constant = [](double value) { return static_cast<float>(value); };
  const FrontEndWeights w{.segment = s.segment,
                          .hop = s.hop,
                          .sample_rate = s.sample_rate,
                          .spectrogram_window = network.spectrogram_window,
                          .spectrogram_hop = network.spectrogram_hop,
                          .harmonics_window = network.harmonics_window,
                          .harmonics_hop = network.harmonics_hop,
                          .harmonics_bands = network.harmonics_bands,
                          .harmonics_lowest = network.harmonics_lowest,
                          .harmonics_bands_an_octave = network.harmonics_bands_an_octave,
                          .level = {.rise = constant(network.rise),
                                    .fall = constant(network.fall),
                                    .fall_limit = constant(network.fall_limit),
                                    .headroom = constant(network.headroom),
                                    .quietest = constant(network.quietest),
                                    .dynamic_range = constant(network.dynamic_range),
                                    .unset = constant(bundle.manifest.level_initial),
                                    .first_bin = network.first_bin},
                          .wide = body(bundle, "wide", network.wide),
                          .narrow = body(bundle, "narrow", network.narrow),
                          .encoder = body(bundle, "encoder", network.encoder),
                          .deep = bias.shape[0],
                          .head_inputs = head.shape[0],
                          .head_weight = head.values.data(),
                          .head_bias = bias.values.data()};
  std::unique_ptr<const FrontEnd> made;
  try {
    made = std::make_unique<const FrontEnd>(level, w, precision);
  } catch (const Error& error) {
    throw BundleError(std::string("manifest.json: frontend: ") + error.what());
  }
  const auto three = [](std::size_t a, std::size_t b, std::size_t c) {
    return "(" + std::to_string(a) + ", " + std::to_string(b) + ", " + std::to_string(c) + ")";
  };
  if (made->deep() != s.deep || made->positions() != s.positions ||
      made->code_width() != s.code_width) {
    throw BundleError("manifest.json: frontend: deep, positions and code_width come out as " +
                      three(made->deep(), made->positions(), made->code_width()) +
                      "; the sizes ask for " + three(s.deep, s.positions, s.code_width));
  }
  return made;
}

}  // namespace edgeser
