// The front end's network as manifest.json tells it: see edgeser/bundle/network.py, which this
// mirrors.
#include "capi/network.hpp"

#include <utility>

namespace edgeser {
namespace {

const Tensor& tensor(const Bundle& bundle, const std::string& name, std::size_t axes) {
  const auto found = bundle.tensors.find(name);
  if (found == bundle.tensors.end() || found->second.shape.size() != axes) {
    throw BundleError("kernels.safetensors: " + name + " must be there, with " +
                      std::to_string(axes) + " axes");
  }
  return found->second;
}

std::pair<std::size_t, std::size_t> pair_entry(const Json& layer, const char* key,
                                               std::uint64_t low, const std::string& inside) {
  const Json& value = entry(layer, key, inside);
  const auto fits = [&](const Json& item) {
    return item.is_number_unsigned() && item.get<std::uint64_t>() >= low &&
           item.get<std::uint64_t>() <= 64;
  };
  if (!value.is_array() || value.size() != 2 || !fits(value[0]) || !fits(value[1])) {
    throw BundleError(inside + key + " must be two whole numbers from " + std::to_string(low) +
                      " to 64");
  }
  return {value[0].get<std::size_t>(), value[1].get<std::size_t>()};
}

std::vector<ConvolutionWeights> body(const Bundle& bundle, const Json& network, const char* name) {
  const std::string place = std::string("manifest.json: frontend.") + name;
  const Json& layers = entry(network, name, "manifest.json: frontend.");
  if (!layers.is_array() || layers.size() > 64) {
    throw BundleError(place + " must be a list of layers");
  }
  std::vector<ConvolutionWeights> result;
  for (const Json& layer : layers) {
    const std::string n = std::to_string(result.size()), at = place + "[" + n + "]";
    if (!layer.is_object() || !layer.contains("relu") || !layer["relu"].is_boolean()) {
      throw BundleError(at + " must be an object with stride, padding and relu");
    }
    const std::string stem = std::string("frontend.") + name + "." + n;
    const Tensor& weight = tensor(bundle, stem + ".weight", 4);
    const Tensor& bias = tensor(bundle, stem + ".bias", 1);
    const auto [down, across] = pair_entry(layer, "stride", 1, at + ".");
    const auto [rows, columns] = pair_entry(layer, "padding", 0, at + ".");
    if (bias.shape[0] != weight.shape[3]) {
      throw BundleError("kernels.safetensors: " + stem + ".bias does not fit its weight");
    }
    result.push_back({weight.shape[0], weight.shape[1], weight.shape[2], weight.shape[3], down,
                      across, rows, columns, layer["relu"].get<bool>(), weight.values.data(),
                      bias.values.data()});
  }
  return result;
}

}  // namespace

std::unique_ptr<const FrontEnd> native_front_end(const Bundle& bundle, const Level& level) {
  const Json& raw = bundle.manifest.raw;
  if (!raw.contains("frontend")) return nullptr;
  const std::string here = "manifest.json: ";
  const Json& network = object_entry(raw, "frontend", here);
  const Json& spectrogram = object_entry(network, "spectrogram", here + "frontend.");
  const Json& harmonics = object_entry(network, "harmonics", here + "frontend.");
  const Json& constants = object_entry(raw, "normalisation", here);
  const auto constant = [&](const char* key) {
    return static_cast<float>(number_entry(constants, key, -1e6, 1e6, here + "normalisation."));
  };
  constexpr std::size_t most = std::size_t{1} << 20;  // the kernel's own bounds are narrower
  const auto size = [&](const Json& table, const char* key, const char* of) {
    return size_entry(table, key, 0, most, here + "frontend." + of + ".");
  };
  const auto number = [&](const char* key) {
    return number_entry(harmonics, key, 0, 1e6, here + "frontend.harmonics.");
  };
  const Sizes& s = bundle.manifest.sizes;
  FrontEndWeights w{};
  w.segment = s.segment;
  w.hop = s.hop;
  w.sample_rate = s.sample_rate;
  w.spectrogram_window = size(spectrogram, "window", "spectrogram");
  w.spectrogram_hop = size(spectrogram, "hop", "spectrogram");
  w.harmonics_window = size(harmonics, "window", "harmonics");
  w.harmonics_hop = size(harmonics, "hop", "harmonics");
  w.harmonics_bands = size(harmonics, "bands", "harmonics");
  w.harmonics_lowest = number("lowest");
  w.harmonics_bands_an_octave = number("bands_an_octave");
  w.level = {.rise = constant("rise"),
             .fall = constant("fall"),
             .fall_limit = constant("fall_limit"),
             .headroom = constant("headroom"),
             .quietest = constant("quietest"),
             .dynamic_range = constant("dynamic_range"),
             .unset = static_cast<float>(bundle.manifest.level_initial),
             .first_bin = size_entry(constants, "first_bin", 0, most, here + "normalisation.")};
  w.wide = body(bundle, network, "wide");
  w.narrow = body(bundle, network, "narrow");
  w.encoder = body(bundle, network, "encoder");
  const Tensor& head = tensor(bundle, "frontend.head.weight", 2);
  const Tensor& bias = tensor(bundle, "frontend.head.bias", 1);
  if (bias.shape[0] != head.shape[1]) {
    throw BundleError("kernels.safetensors: frontend.head.bias does not fit its weight");
  }
  w.deep = bias.shape[0];
  w.head_inputs = head.shape[0];
  w.head_weight = head.values.data();
  w.head_bias = bias.values.data();
  auto made = std::make_unique<const FrontEnd>(level, w);
  if (made->deep() != s.deep || made->positions() != s.positions ||
      made->code_width() != s.code_width) {
    throw BundleError(
        "manifest.json: frontend: deep, positions and code_width come out other "
        "than the sizes say");
  }
  return made;
}

}  // namespace edgeser
