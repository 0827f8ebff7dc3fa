#include "stream/source.hpp"

#include <algorithm>

namespace edgeser {

Source::Source(std::shared_ptr<const Resampler> resampler, std::size_t segment)
    : resampler_(std::move(resampler)), mono_(piece_samples) {
  if (resampler_->state_bytes() != 0) {
    const auto in = static_cast<std::size_t>(resampler_->rate_in());
    const auto out = static_cast<std::size_t>(resampler_->rate_out());
    silence_ = static_cast<std::int64_t>(resampler_->taps() + segment * in / out + 1);
    resampled_.resize(std::max(most(piece_samples), most(resampler_->half_width())));
  }
}

std::size_t Source::most(std::size_t samples) const noexcept {
  const auto in = static_cast<std::size_t>(resampler_->rate_in());
  const auto out = static_cast<std::size_t>(resampler_->rate_out());
  return (samples + resampler_->half_width()) * out / in + 2;
}

void Source::open(const Chunk& chunk) noexcept {
  chunk_ = chunk;
  read_ = zeros_ = made_ = taken_ = 0;
  draining_ = false;
}

// Tracks silence in the next `count` samples, at most silence() of them, so it can only end after
// their leading zeros. Returns how many may be resampled together: output that was made before the
// end of the silence still belongs to the sound before it.
std::size_t Source::listen(std::size_t count, const SourceMemory& memory) const noexcept {
  std::size_t first = 0, last = 0;
  while (first < count && mono_[first] == 0) ++first;
  while (last < count && mono_[count - 1 - last] == 0) ++last;
  if (first == count) {
    memory.quiet = std::min(memory.quiet + static_cast<std::int64_t>(count), silence_);
    return count;
  }
  if (memory.quiet + static_cast<std::int64_t>(first) >= silence_) {
    if (first > 0) {
      memory.quiet = silence_;
      return first;
    }
    memory.muted = static_cast<std::int64_t>(resampler_->outputs_due(memory.resampler));
  }
  memory.quiet = static_cast<std::int64_t>(last);
  return count;
}

bool Source::next(const SourceMemory& memory) noexcept {
  std::byte* const state = memory.resampler;
  const auto mute = [&] {
    const std::size_t count = std::min(made_, static_cast<std::size_t>(memory.muted));
    std::fill_n(resampled_.data(), count, 0.0f);
    memory.muted -= static_cast<std::int64_t>(count);
    piece_ = resampled_.data();
  };
  taken_ = made_ = 0;
  if (read_ < chunk_.samples) {
    std::size_t count = std::min(piece_samples, chunk_.samples - read_);
    if (silence_ > 0) count = std::min(count, static_cast<std::size_t>(silence_));
    to_mono(chunk_, read_, count, mono_.data());
    if (silence_ > 0) count = listen(count, memory);
    read_ += count;
    piece_ = mono_.data();
    made_ = count;
    if (silence_ > 0) {
      made_ = resampler_->output_count(state, count);
      resampler_->process(mono_.data(), count, state, resampled_.data());
      mute();
    }
    return true;
  }
  if (draining_) {
    draining_ = false;
    made_ = resampler_->flush_count(state);
    resampler_->flush(state, resampled_.data());
    mute();
    return true;
  }
  if (zeros_ == 0) return false;
  made_ = std::min(zeros_, mono_.size());
  zeros_ -= made_;
  std::fill_n(mono_.data(), made_, 0.0f);
  piece_ = mono_.data();
  return true;
}

}  // namespace edgeser
