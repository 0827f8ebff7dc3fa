#include "stream/source.hpp"

#include <algorithm>

namespace edgeser {

Source::Source(std::shared_ptr<const Resampler> resampler)
    : resampler_(std::move(resampler)), mono_(piece_samples) {
  if (resampler_->state_bytes() != 0) {
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

bool Source::next(std::byte* state) noexcept {
  taken_ = made_ = 0;
  if (read_ < chunk_.samples) {
    const std::size_t count = std::min(piece_samples, chunk_.samples - read_);
    to_mono(chunk_, read_, count, mono_.data());
    read_ += count;
    piece_ = mono_.data();
    made_ = count;
    if (!resampled_.empty()) {
      made_ = resampler_->output_count(state, count);
      resampler_->process(mono_.data(), count, state, resampled_.data());
      piece_ = resampled_.data();
    }
    return true;
  }
  if (draining_) {
    draining_ = false;
    made_ = resampler_->flush_count(state);
    resampler_->flush(state, resampled_.data());
    piece_ = resampled_.data();
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
