#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "bundle/bundle.hpp"
#include "front_end/front_end.hpp"
#include "resampler/resampler.hpp"
#include "stream/gate.hpp"
#include "stream/quiet.hpp"
#include "stream/speaker.hpp"
#include "tacn/tacn.hpp"
#include "vq_fusion/vq_fusion.hpp"

namespace edgeser {

// What all streams of a model share. Immutable, and safe to use from any number of threads at once.
struct Core {
  // Copies what it needs of the bundle. With `projections`, rings are those that GPUs step: see
  // Rings. Throws Error or BundleError if the bundle cannot be run.
  explicit Core(const Bundle& bundle, const Level& level = find_level(nullptr),
                Precision precision = Precision::float32, bool projections = false);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  std::unique_ptr<const FrontEnd> front_end;  // null if the bundle does not tell its layers
  VqFusion fusion;
  Tacn tacn;
  Gate gate;
  Quiet quiet;
  Speaker speaker;
  std::vector<std::string> labels;
  Sizes sizes;
  Thresholds thresholds;
  std::size_t pause;    // hops without speech that end a sequence
  bool adapt;           // whether streams learn their speaker unless told
  float level_initial;  // running level of a sequence that has heard nothing yet, dBFS
  Digest hash;          // names the model

  double hop_seconds() const {
    return static_cast<double>(sizes.hop) / static_cast<double>(sizes.sample_rate);
  }
};

// The filter bank between two rates; streams of the same rates share it while one of them lives.
// Takes a lock: for opening streams only.
std::shared_ptr<const Resampler> shared_resampler(const Level& level, int rate_in, int rate_out);

}  // namespace edgeser
