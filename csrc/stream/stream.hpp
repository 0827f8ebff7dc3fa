#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "stream/core.hpp"
#include "stream/detector.hpp"
#include "stream/endpointer.hpp"
#include "stream/frame.hpp"
#include "stream/layout.hpp"
#include "stream/options.hpp"
#include "stream/source.hpp"

namespace edgeser {

// What a call brought; valid until the next call of its stream.
struct Results {
  std::vector<Frame> frames;
  std::vector<float> probabilities;  // (frames, L)
  std::vector<Event> events;
  std::vector<float> event_probabilities;  // (events, L), of those that ended
};

// One stream: what it remembers, and what a hop does to it. Used through a Turn, which makes a call
// of many streams all or nothing. One call at a time.
class Stream {
 public:
  // A fresh one, for audio of `rate` Hz. Throws AudioError for a rate or options that cannot be.
  Stream(std::shared_ptr<const Core> core, long long rate, const StreamOptions& options,
         std::shared_ptr<Detector> detector = nullptr);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  const Core& core() const { return *core_; }
  std::shared_ptr<const Core> shared_core() const { return core_; }
  const StreamOptions& options() const { return options_; }
  const Layout& layout() const { return layout_; }
  const Source& source() const { return source_; }
  const Resampler& resampler() const { return source_.resampler(); }
  // The score below which a hop is quiet that may pass unread afterwards; 0: none is.
  double quiet_below() const { return quiet_below_; }
  int rate() const { return source_.resampler().rate_in(); }

  // At any time.
  double position() const { return static_cast<double>(received_.load()) / rate(); }  // seconds
  std::size_t until_frame() const { return until_frame_.load(); }  // samples, at least
  bool speaking() const { return speaking_.load(); }
  std::size_t most_frames(std::size_t samples) const {
    return source_.most(samples) / core_->sizes.hop + 2;
  }
  double delay() const { return core_->hop_seconds() + resampler().delay(); }

  // Of a stream that is held: these read what it remembers.
  const Memory& memory() const { return layout_.memory(block()); }
  SpeakerMemory speaker() const { return layout_.speaker(block()); }
  std::byte* rings() const { return layout_.rings(block()); }
  std::byte* block() const { return reinterpret_cast<std::byte*>(block_.get()); }

  const Results& results() const { return results_; }
  const Verdict& verdict() const { return verdict_; }  // of the last flush
  const std::vector<float>& verdict_probabilities() const { return verdict_probabilities_; }

  // --- for a turn ---

  enum class Kind { process, flush, calibrate };

  // Throws BusyError if another call is in it.
  void hold();
  void release() noexcept {
    publish();
    busy_.clear(std::memory_order_release);
  }

  // Begins a call with a checked chunk (samples = 0: none). Keeps what undoing needs, the rings too
  // if the stream's own will be stepped. Throws before anything changed.
  void begin(const Chunk& chunk, Kind kind, bool rings);

  // Goes on to the next segment that somebody has to read; null if there is none. Frames of digital
  // silence are recorded on the way.
  const float* next_segment();
  float level() const { return memory().level; }

  // The token (C) of that segment, and its running level. True if the gate is open: what the TACN
  // hears is then in `heard`, and `begins` says whether the sequence begins with it.
  bool take_token(const float* token, float level, float* heard, bool* begins);

  // Gives the rings for a step by the core's own TACN.
  std::byte* rings_to_step();

  // The logits (L) of that step.
  void take_logits(const float* logits);

  // Ends what a flush ends. May be undone.
  void conclude();

  // Makes the stream what it was at `begin`.
  void undo() noexcept;

  // --- apart from turns; hold it ---

  void reset() noexcept;
  void new_speaker() noexcept;
  void skip(double seconds);
  // Learns from a stream that has just heard a calibration. Throws AudioError if it heard too
  // little speech, StateError if this one does not adapt.
  void calibrate(const Stream& heard);

 private:
  struct Free {
    void operator()(void* block) const noexcept;
  };

  void fresh(bool keep_speaker) noexcept;
  void publish() noexcept;
  bool hear(std::size_t samples) noexcept;
  bool like_quiet() noexcept;
  void refuse(float speech, float level) noexcept;
  void closed(float speech, float level);
  void forget_level() noexcept;
  void end_sequence() noexcept;
  void record(const float* logits, float speech, float level);
  double now() const;

  std::shared_ptr<const Core> core_;
  StreamOptions options_;
  std::shared_ptr<Detector> detector_;
  Source source_;
  Layout layout_;
  std::optional<Endpointer> endpointer_;
  double threshold_;           // of a detector's score
  std::int64_t forget_after_;  // hops without speech; 0: never
  double quiet_below_;         // of the gate's score; 0: every hop is read
  std::unique_ptr<void, Free> block_;
  std::atomic_flag busy_ = {};
  std::atomic<std::int64_t> received_ = 0;
  std::atomic<std::size_t> until_frame_ = 1;
  std::atomic<bool> speaking_ = false;

  // Of the call.
  Kind kind_ = Kind::process;
  bool padded_ = false;
  float token_level_ = 0, token_speech_ = 0;
  std::optional<Impression> impression_;  // of the segment that somebody reads, if it was needed
  Results results_;
  Verdict verdict_{};
  std::vector<float> verdict_probabilities_;

  // What undoing needs: the head, and of the rings either all or what each step overwrites.
  std::vector<std::byte> kept_head_, journal_;
  std::size_t journaled_ = 0;  // steps
  bool kept_rings_ = false;
};

}  // namespace edgeser
