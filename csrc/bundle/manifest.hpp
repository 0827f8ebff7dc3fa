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

// The only bundle format that is read and written.
constexpr std::size_t bundle_format = 2;

// The shapes of a model. The letters are those of the paper and of the kernels' reference.
struct Sizes {
  std::size_t sample_rate;  // Hz
  std::size_t segment;      // samples that one token hears
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
  std::size_t gate_memory;  // M, tokens before its own that the gate hears
};

// What of a stream's own speech its speaker's statistics are made of; see docs/reference/bundle.md.
struct SpeakerRules {
  bool adapt;            // whether streams adapt unless told
  double prior;          // utterances that the training's statistics are worth
  double floor;          // share of what was learned that counts for a speaker who never varied
  double bound;          // of the shift
  double most;           // utterances that the statistics remember
  std::size_t shortest;  // tokens of speech below which a sequence teaches nothing
  double calibration;    // utterances that a calibration is worth
};

struct Thresholds {
  double speech;      // below it nobody speaks
  double confidence;  // below it the model is not sure
  double utterance;   // seconds of speech below which a verdict carries no label
};

struct MemberFacts {
  std::size_t bytes;
  std::string sha256;
};

// A checked manifest.
struct Manifest {
  std::string name;
  std::string version;
  std::string licence;
  std::vector<std::string> labels;
  std::vector<std::string> notices;
  Sizes sizes;
  std::optional<Network> network;  // the front end's layers, if the bundle tells them
  double level_initial;            // dBFS
  Thresholds thresholds;
  std::size_t pause;  // tokens without speech that end a sequence
  SpeakerRules speaker;
  std::map<std::string, MemberFacts> members;
};

// Throws BundleError for the first thing that is wrong, by name.
Manifest parse_manifest(std::string_view text);

// Name to shape of every tensor that the kernels need, but for the front end's; (in, out) for
// matrices.
std::vector<std::pair<std::string, std::vector<std::size_t>>> tensor_shapes(const Sizes& sizes,
                                                                            std::size_t labels);

}  // namespace edgeser
