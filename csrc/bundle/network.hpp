#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bundle/json.hpp"

namespace edgeser {

// One layer of the front end; its weights (height, width, in, out) are tensors frontend.BODY.N.
struct Convolution {
  std::pair<std::size_t, std::size_t> stride;   // down (time) and across (frequency)
  std::pair<std::size_t, std::size_t> padding;  // rows and columns of zeros on either side
  bool relu;
};

// The front end's layers from the manifest: the same computation as frontend.onnx, for kernels that
// compute it themselves. Bundles with other networks have none.
struct Network {
  std::vector<Convolution> wide;     // reads the spectrogram
  std::vector<Convolution> narrow;   // reads the harmonics; may be empty
  std::vector<Convolution> encoder;  // reads the spectrogram; gives E_o of the paper
  std::size_t spectrogram_window, spectrogram_hop;
  std::size_t harmonics_window, harmonics_hop, harmonics_bands;
  double harmonics_lowest, harmonics_bands_an_octave;
  // Constants of the running level: the manifest's "normalisation".
  double rise, fall, fall_limit, headroom, quietest, dynamic_range;
  std::size_t first_bin;

  // Name and number of axes of every tensor that the network needs.
  std::map<std::string, std::size_t> tensors() const;
};

// The network in a manifest, if there is one. Throws BundleError.
std::optional<Network> parse_network(const Json& manifest);

}  // namespace edgeser
