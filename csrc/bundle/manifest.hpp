#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/json.hpp"
#include "bundle/network.hpp"

namespace edgeser {

// The only supported bundle format.
constexpr std::size_t bundle_format = 2;

// The sizes of a model. The letters are those of the paper and of the kernels' reference.
struct Sizes {
  std::size_t sample_rate;  // Hz
  std::size_t segment;      // samples for one token
  std::size_t hop;          // samples between the ends of two tokens
  std::size_t deep;         // F
  std::size_t positions;    // P
  std::size_t code_width;   // D
  std::size_t codes;        // K
  std::size_t width;        // C
  std::size_t layers;       // N; layer n has dilation 2^n
  std::size_t heads;        // h
  std::size_t taps;         // k
  std::size_t gate_hidden;  // H, hidden units of the gate
  std::size_t gate_memory;  // M, earlier tokens that the gate's score depends on
};

// Constants of the speaker statistics; see docs/reference/bundle.md.
struct SpeakerRules {
  bool adapt;            // whether streams adapt by default
  double prior;          // weight of the training's statistics, in utterances
  double floor;          // least weight for a speaker without variation
  double bound;          // of the shift
  double most;           // utterances that count at most
  std::size_t shortest;  // sequences with fewer tokens of speech are ignored
  double calibration;    // weight of a calibration, in utterances
};

struct Thresholds {
  double speech;      // least score of speech
  double confidence;  // least confidence for a label
  double utterance;   // least seconds of speech for a verdict's label
};

struct MemberFacts {
  std::size_t bytes;
  std::string sha256;
};

// A manifest that was checked.
struct Manifest {
  std::string name;
  std::string version;
  std::string licence;
  std::vector<std::string> labels;
  std::vector<std::string> notices;
  Sizes sizes;
  std::optional<Network> network;  // the front end's layers, if the bundle contains them
  double level_initial;            // dBFS
  Thresholds thresholds;
  std::size_t pause;  // tokens without speech after which a sequence ends
  SpeakerRules speaker;
  std::map<std::string, MemberFacts> members;
};

// Throws BundleError for the first error, with its name.
Manifest parse_manifest(std::string_view text);

// Name and shape of every tensor that the kernels need, except for the front end's; matrices are
// (in, out).
std::vector<std::pair<std::string, std::vector<std::size_t>>> tensor_shapes(const Sizes& sizes,
                                                                            std::size_t labels);

}  // namespace edgeser
