#include "bundle/network.hpp"

#include "bundle/bundle_error.hpp"

namespace edgeser {
namespace {

const std::string here = "manifest.json: ";

std::pair<std::size_t, std::size_t> pair_entry(const Json& layer, const char* key, std::size_t low,
                                               const std::string& place) {
  const std::string what = "two whole numbers from " + std::to_string(low) + " to " +
                           std::to_string(limits::convolution);
  const Json& value = list_entry(layer, key, place, what.c_str());
  const auto fits = [&](const Json& item) {
    return item.is_number_unsigned() && item.get<std::uint64_t>() >= low &&
           item.get<std::uint64_t>() <= limits::convolution;
  };
  if (value.size() != 2 || !fits(value[0]) || !fits(value[1])) {
    throw BundleError(place + key + " must be " + what);
  }
  return {value[0].get<std::size_t>(), value[1].get<std::size_t>()};
}

std::vector<Convolution> body(const Json& network, const char* name) {
  const std::string inside = here + "frontend.";
  const Json& layers = list_entry(network, name, inside, "a list of layers");
  if (layers.size() > limits::body_layers) {
    throw BundleError(inside + name + " must be a list of layers, at most " +
                      std::to_string(limits::body_layers));
  }
  std::vector<Convolution> result;
  for (const Json& layer : layers) {
    const std::string place = inside + name + "[" + std::to_string(result.size()) + "]";
    if (!layer.is_object() || !layer.contains("relu") || !layer["relu"].is_boolean()) {
      throw BundleError(place + " must be an object with stride, padding and relu");
    }
    result.push_back({pair_entry(layer, "stride", 1, place + "."),
                      pair_entry(layer, "padding", 0, place + "."), layer["relu"].get<bool>()});
  }
  return result;
}

}  // namespace

std::map<std::string, std::size_t> Network::tensors() const {
  std::map<std::string, std::size_t> axes{{"frontend.head.weight", 2}, {"frontend.head.bias", 1}};
  const std::pair<const char*, const std::vector<Convolution>*> bodies[] = {
      {"wide", &wide}, {"narrow", &narrow}, {"encoder", &encoder}};
  for (const auto& [name, layers] : bodies) {
    for (std::size_t n = 0; n < layers->size(); ++n) {
      const std::string stem = std::string("frontend.") + name + "." + std::to_string(n);
      axes[stem + ".weight"] = 4;
      axes[stem + ".bias"] = 1;
    }
  }
  return axes;
}

std::optional<Network> parse_network(const Json& manifest) {
  if (!manifest.contains("frontend")) return std::nullopt;
  const Json& table = object_entry(manifest, "frontend", here);
  const Json& spectrogram = object_entry(table, "spectrogram", here + "frontend.");
  const Json& harmonics = object_entry(table, "harmonics", here + "frontend.");
  const Json& level = object_entry(manifest, "normalisation", here);
  const auto size = [&](const Json& of, const char* key, const char* inside) {
    return size_entry(of, key, {1, limits::segment.high}, here + inside);
  };
  const auto constant = [&](const char* key) {
    return number_entry(level, key, -limits::constant, limits::constant, here + "normalisation.");
  };
  const auto number = [&](const char* key) {
    return number_entry(harmonics, key, 0, limits::constant, here + "frontend.harmonics.");
  };
  return Network{.wide = body(table, "wide"),
                 .narrow = body(table, "narrow"),
                 .encoder = body(table, "encoder"),
                 .spectrogram_window = size(spectrogram, "window", "frontend.spectrogram."),
                 .spectrogram_hop = size(spectrogram, "hop", "frontend.spectrogram."),
                 .harmonics_window = size(harmonics, "window", "frontend.harmonics."),
                 .harmonics_hop = size(harmonics, "hop", "frontend.harmonics."),
                 .harmonics_bands = size(harmonics, "bands", "frontend.harmonics."),
                 .harmonics_lowest = number("lowest"),
                 .harmonics_bands_an_octave = number("bands_an_octave"),
                 .rise = constant("rise"),
                 .fall = constant("fall"),
                 .fall_limit = constant("fall_limit"),
                 .headroom = constant("headroom"),
                 .quietest = constant("quietest"),
                 .dynamic_range = constant("dynamic_range"),
                 .first_bin = size(level, "first_bin", "normalisation.")};
}

}  // namespace edgeser
