// A stream from its construction to its end; what it does with a hop is in hop.cpp.
#include "stream/stream.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "state.hpp"
#include "stream/errors.hpp"
#include "tacn/undo.hpp"

namespace edgeser {
namespace {

constexpr std::size_t block_alignment = 64;
constexpr std::size_t reserved_hops = 10;  // calls that produce more frames allocate

std::int64_t forget_after(const Core& core, const StreamOptions& options) {
  if (!options.new_speaker_after) return 0;
  const double hops = std::ceil(*options.new_speaker_after / core.hop_seconds());
  return std::max(static_cast<std::int64_t>(hops), static_cast<std::int64_t>(core.pause));
}

double detector_threshold(const StreamOptions& options) {
  if (options.threshold) return *options.threshold;
  return options.rules && options.rules->speech ? *options.rules->speech : 0.5;
}

template <class T>
void empty(std::vector<T>& values, std::size_t reserved) {
  if (values.capacity() > reserved) std::vector<T>().swap(values);
  values.clear();
  values.reserve(reserved);
}

}  // namespace

void Stream::Free::operator()(void* block) const noexcept {
  ::operator delete(block, std::align_val_t{block_alignment});
}

Stream::Stream(std::shared_ptr<const Core> core, long long rate, const StreamOptions& options,
               std::shared_ptr<Detector> detector)
    : core_(std::move(core)),
      options_((check_rate(rate), check_options(options), options)),
      detector_(std::move(detector)),
      source_(shared_resampler(core_->tacn.level(), static_cast<int>(rate),
                               static_cast<int>(core_->sizes.sample_rate)),
              core_->sizes.segment),
      layout_(*core_, source_.resampler()),
      threshold_(detector_threshold(options)),
      forget_after_(forget_after(*core_, options)),
      block_(::operator new(layout_.bytes(), std::align_val_t{block_alignment})),
      verdict_probabilities_(core_->labels.size()),
      kept_head_(layout_.head_bytes()) {
  if (options_.rules) {
    endpointer_.emplace(*core_, *options_.rules, detector_ ? threshold_ : core_->thresholds.speech);
  }
  quiet_below_ = core_->quiet.usable() && !options_.every_hop ? core_->thresholds.speech : 0;
  // Utterances may accept as speech what the gate refuses.
  if (endpointer_ && !detector_) quiet_below_ = std::min(quiet_below_, endpointer_->threshold());
  journal_.reserve(reserved_hops * undo_bytes(core_->tacn.plan(), 1));
  empty(results_.frames, reserved_hops);
  empty(results_.events, 2 * reserved_hops);
  empty(results_.probabilities, reserved_hops * core_->labels.size());
  empty(results_.event_probabilities, 2 * reserved_hops * core_->labels.size());
  fresh(false);
  std::memset(rings(), 0, layout_.bytes() - layout_.head_bytes());  // padding included
  publish();
}

void Stream::publish() noexcept {
  const Memory& m = memory();
  auto missing = static_cast<std::size_t>(m.missing);
  if (resampler().state_bytes() != 0) {  // minus one: its phase
    missing = std::max<std::size_t>(1, (missing - 1) * static_cast<std::size_t>(rate()) /
                                           static_cast<std::size_t>(resampler().rate_out()));
  }
  until_frame_.store(missing, std::memory_order_relaxed);
  received_.store(m.received, std::memory_order_relaxed);
  speaking_.store(m.utterance.speaking != 0, std::memory_order_relaxed);
}

// Resets the head to that of a new stream.
void Stream::fresh(bool keep_speaker) noexcept {
  Memory& m = layout_.memory(block());
  const Memory before = m;
  const SpeakerMemory speaker = layout_.speaker(block());
  auto* const first = reinterpret_cast<std::byte*>(speaker.sum);
  auto* const after = reinterpret_cast<std::byte*>(layout_.gate(block()));
  std::memset(block(), 0, static_cast<std::size_t>(first - block()));
  std::memset(after, 0, static_cast<std::size_t>(rings() - after));
  if (keep_speaker) {
    m.pause = before.pause;
    m.utterances = before.utterances;
    m.weight = before.weight;
    std::fill_n(speaker.sum, core_->sizes.width, 0.0f);
  } else {
    std::memset(first, 0, static_cast<std::size_t>(after - first));
  }
  m.missing = static_cast<std::int64_t>(core_->sizes.hop);
  m.zeros = static_cast<std::int64_t>(core_->sizes.segment);
  m.quiet = source_.silence();
  m.level = core_->level_initial;
}

void Stream::hold() {
  if (!busy_.test_and_set(std::memory_order_acquire)) return;
  throw BusyError(
      "another thread is inside this stream, or it is twice in one call: give each stream to one "
      "thread at a time, or make one stream for each thread (they can share the model)");
}

void Stream::begin(const Chunk& chunk, Kind kind, bool rings) {
  const std::size_t labels = core_->labels.size();
  Memory& m = layout_.memory(block());
  if (m.received > most_samples - static_cast<std::int64_t>(chunk.samples) ||
      m.heard > most_samples - static_cast<std::int64_t>(source_.most(chunk.samples))) {
    throw StateError("this stream has counted more samples than anybody can push: reset it");
  }
  empty(results_.frames, reserved_hops);
  empty(results_.events, 2 * reserved_hops);
  empty(results_.probabilities, reserved_hops * labels);
  empty(results_.event_probabilities, 2 * reserved_hops * labels);
  journaled_ = 0;
  kept_rings_ = false;
  if (rings) {
    const std::size_t steps = most_frames(chunk.samples);
    const std::size_t bytes = steps * undo_bytes(core_->tacn.plan(), 1);
    const std::size_t reserved = reserved_hops * undo_bytes(core_->tacn.plan(), 1);
    if (journal_.capacity() > reserved) std::vector<std::byte>().swap(journal_);
    journal_.clear();
    if (bytes > reserved && bytes > core_->tacn.state_bytes()) {
      journal_.assign(this->rings(), this->rings() + core_->tacn.state_bytes());
      kept_rings_ = true;
    } else {
      journal_.reserve(std::max(bytes, reserved));
    }
  }
  std::memcpy(kept_head_.data(), block(), layout_.head_bytes());
  kind_ = kind;
  padded_ = false;
  source_.open(chunk);
  if (kind != Kind::process) source_.drain();
  m.received += static_cast<std::int64_t>(chunk.samples);
}

std::byte* Stream::rings_to_step() {
  const TacnPlan& plan = core_->tacn.plan();
  std::byte* const block = rings();
  set_state_counter(block, memory().tokens - 1);
  if (!kept_rings_) {
    const std::size_t bytes = undo_bytes(plan, 1), at = journal_.size();
    journal_.resize(at + bytes);
    keep_for_undo(plan, block, 1, &journal_[at]);
    journaled_ += 1;
  }
  return block;
}

void Stream::undo() noexcept {
  std::memcpy(block(), kept_head_.data(), layout_.head_bytes());
  if (kept_rings_) {
    std::memcpy(rings(), journal_.data(), core_->tacn.state_bytes());
    return;
  }
  const std::size_t bytes = undo_bytes(core_->tacn.plan(), 1);
  while (journaled_ > 0) {
    --journaled_;
    edgeser::undo(core_->tacn.plan(), rings(), &journal_[journaled_ * bytes], bytes);
  }
}

void Stream::reset() noexcept {
  fresh(false);
  std::memset(rings(), 0, layout_.bytes() - layout_.head_bytes());  // padding included
}

void Stream::new_speaker() noexcept {
  Memory& m = layout_.memory(block());
  core_->speaker.forget(speaker());
  m.tokens = 0;
  forget_level();
}

void Stream::skip(double seconds) {
  Memory& m = layout_.memory(block());
  if (!(seconds >= 0) || !(m.origin + seconds <= longest_time)) {
    throw AudioError("the time to skip must be 0 s or more, and a stream's time at most 1e12 s");
  }
  m.origin += seconds;
}

void Stream::calibrate(const Stream& heard) {
  if (!options_.adapt) {
    throw StateError(
        "this stream does not adapt to its speaker, so a calibration would change nothing: make "
        "it with adapt on");
  }
  const auto tokens = static_cast<std::size_t>(heard.memory().tokens);
  const double seconds = static_cast<double>(tokens) * core_->hop_seconds();
  if (seconds < 1) {
    throw AudioError(
        "the calibration holds less than 1 s of speech: record a sentence or two, "
        "spoken without emotion");
  }
  Memory& m = layout_.memory(block());
  core_->speaker.calibrate(speaker(), heard.speaker().sum, tokens);
  m.tokens = 0;
  forget_level();
}

}  // namespace edgeser
