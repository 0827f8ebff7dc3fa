#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "resampler/resampler.hpp"
#include "stream/chunk.hpp"

namespace edgeser {

// State of a source between chunks.
struct SourceMemory {
  std::byte* resampler;  // its state
  std::int64_t& quiet;   // the newest samples that are exactly 0, at most silence()
  std::int64_t& muted;   // the resampler's next outputs that are set to 0
};

// Converts a chunk to samples at the model's rate, piece by piece, so that buffers do not depend on
// its length. At the end of a stream, also gives the resampler's remaining output, and zeros.
//
// The filter of a resampler responds already before the first non-zero sample. A new stream has no
// output before its first sample. For the same result after long digital silence (a segment and
// the filter's length), the output before the first non-zero sample is set to 0. So leading silence
// does not change any bit of what follows.
class Source {
 public:
  // `segment`: the model's, in samples at its rate.
  Source(std::shared_ptr<const Resampler> resampler, std::size_t segment);

  const Resampler& resampler() const { return *resampler_; }

  // `chunk` must be checked, and must live until all of it is read.
  void open(const Chunk& chunk) noexcept;

  // Also gives the resampler's remaining output, after the chunk.
  void drain() noexcept { draining_ = true; }

  // Gives zeros at the end.
  void pad(std::size_t zeros) noexcept { zeros_ = zeros; }

  // Makes the next piece. Returns false if there is none.
  bool next(const SourceMemory& memory) noexcept;

  // Samples of digital silence after which a stream behaves as a new one; 0 without a resampler.
  std::int64_t silence() const noexcept { return silence_; }

  // The part of the piece that is not taken yet.
  const float* samples() const noexcept { return piece_ + taken_; }
  std::size_t left() const noexcept { return made_ - taken_; }
  void take(std::size_t count) noexcept { taken_ += count; }

  // Upper bound on the samples at the model's rate for a chunk of `samples` and the remaining
  // output.
  std::size_t most(std::size_t samples) const noexcept;

 private:
  static constexpr std::size_t piece_samples = 4096;

  std::size_t listen(std::size_t count, const SourceMemory& memory) const noexcept;

  std::shared_ptr<const Resampler> resampler_;
  Chunk chunk_;
  std::size_t read_ = 0, zeros_ = 0, made_ = 0, taken_ = 0;
  bool draining_ = false;
  std::int64_t silence_ = 0;
  std::vector<float> mono_, resampled_;
  const float* piece_ = nullptr;
};

}  // namespace edgeser
