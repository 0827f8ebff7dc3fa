#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "resampler/resampler.hpp"
#include "stream/chunk.hpp"

namespace edgeser {

// A chunk as samples at the model's rate, made piece by piece so that no buffer depends on how long
// it is; at the end of a stream also what the resampler still holds, and zeros.
class Source {
 public:
  explicit Source(std::shared_ptr<const Resampler> resampler);

  const Resampler& resampler() const { return *resampler_; }

  // The chunk, already checked, must live until all of it is read.
  void open(const Chunk& chunk) noexcept;

  // The resampler is drained after the chunk, if there is one.
  void drain() noexcept { draining_ = true; }

  // Zeros, once all else is read.
  void pad(std::size_t zeros) noexcept { zeros_ = zeros; }

  // Makes the next piece. False if there is none. `state` is the resampler's.
  bool next(std::byte* state) noexcept;

  // What of the piece is not taken yet.
  const float* samples() const noexcept { return piece_ + taken_; }
  std::size_t left() const noexcept { return made_ - taken_; }
  void take(std::size_t count) noexcept { taken_ += count; }

  // At most so many samples at the model's rate come of so many of a chunk and of a drain.
  std::size_t most(std::size_t samples) const noexcept;

 private:
  static constexpr std::size_t piece_samples = 4096;

  std::shared_ptr<const Resampler> resampler_;
  Chunk chunk_;
  std::size_t read_ = 0, zeros_ = 0, made_ = 0, taken_ = 0;
  bool draining_ = false;
  std::vector<float> mono_, resampled_;
  const float* piece_ = nullptr;
};

}  // namespace edgeser
