#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/json.hpp"

namespace edgeser {

// The newest bundle format that can be read.
constexpr std::size_t bundle_format = 1;

// The shapes of a model: see edgeser/bundle/manifest.py, which this mirrors.
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
};

struct MemberFacts {
  std::size_t bytes;
  std::string sha256;
};

// A checked manifest. `raw` is the whole of it.
struct Manifest {
  std::string name;
  std::string version;
  std::string licence;
  std::vector<std::string> labels;
  std::vector<std::string> notices;
  Sizes sizes;
  double level_initial;         // dBFS
  double speech_threshold;      // below it nobody speaks
  double confidence_threshold;  // below it the model is not sure
  std::map<std::string, MemberFacts> members;
  Json raw;
};

// Throws BundleError for the first thing that is wrong, by name.
Manifest parse_manifest(std::string_view text);

}  // namespace edgeser
