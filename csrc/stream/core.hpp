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

// What all streams of a model share. Immutable; may be used from any number of threads at once.
struct Core {
  // Copies what it needs of the bundle. With `projections`, rings have the layout that GPUs use:
  // see Rings. Throws Error or BundleError if the bundle cannot be executed.
  explicit Core(const Bundle& bundle, const Level& level = find_level(nullptr),
                Precision precision = Precision::float32, bool projections = false);
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  std::unique_ptr<const FrontEnd> front_end;  // null if the bundle does not contain its layers
  VqFusion fusion;
  Tacn tacn;
  Gate gate;
  Quiet quiet;
  Speaker speaker;
  std::vector<std::string> labels;
  Sizes sizes;
  Thresholds thresholds;
  std::size_t pause;    // hops without speech that end a sequence
  bool adapt;           // whether streams adapt to their speaker by default
  float level_initial;  // running level at the start of a sequence, dBFS
  Digest hash;          // identifies the model

  double hop_seconds() const {
    return static_cast<double>(sizes.hop) / static_cast<double>(sizes.sample_rate);
  }
};

// The filter bank between two rates. Streams of the same rates share it. Takes a lock, so it is
// used only when a stream is opened.
std::shared_ptr<const Resampler> shared_resampler(const Level& level, int rate_in, int rate_out);

}  // namespace edgeser
