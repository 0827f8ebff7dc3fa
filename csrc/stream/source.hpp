#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "resampler/resampler.hpp"
#include "stream/chunk.hpp"

namespace edgeser {

// What a source remembers from one chunk to the next.
struct SourceMemory {
  std::byte* resampler;  // its state
  std::int64_t& quiet;   // the newest samples that are exactly 0, up to silence()
  std::int64_t& muted;   // so many of the resampler's next outputs are 0
};

// A chunk as samples at the model's rate, made piece by piece so that no buffer depends on how long
// it is; at the end of a stream also what the resampler still holds, and zeros.
//
// A resampler's filter rings before the sound that it hears. In a fresh stream nothing is before
// the first sample, so after as much digital silence as a segment and the filter hold, what lies
// before the first sample that is not 0 is muted: then silence in front changes no bit of what
// follows.
class Source {
 public:
  // `segment`: of the model, in samples at its rate.
  Source(std::shared_ptr<const Resampler> resampler, std::size_t segment);

  const Resampler& resampler() const { return *resampler_; }

  // The chunk, already checked, must live until all of it is read.
  void open(const Chunk& chunk) noexcept;

  // The resampler is drained after the chunk, if there is one.
  void drain() noexcept { draining_ = true; }

  // Zeros, once all else is read.
  void pad(std::size_t zeros) noexcept { zeros_ = zeros; }

  // Makes the next piece. False if there is none.
  bool next(const SourceMemory& memory) noexcept;

  // Samples of digital silence after which a stream hears as a fresh one; 0 without a resampler.
  std::int64_t silence() const noexcept { return silence_; }

  // What of the piece is not taken yet.
  const float* samples() const noexcept { return piece_ + taken_; }
  std::size_t left() const noexcept { return made_ - taken_; }
  void take(std::size_t count) noexcept { taken_ += count; }

  // At most so many samples at the model's rate come of so many of a chunk and of a drain.
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
