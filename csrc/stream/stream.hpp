#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
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

constexpr std::int64_t most_samples = std::int64_t{1} << 53;  // exact in float64; 1400 years
constexpr double longest_time = 1e12;  // seconds from the stream's start that may be skipped

// Results of a call; valid until the next call of its stream.
struct Results {
  std::vector<Frame> frames;
  std::vector<float> probabilities;  // (frames, L)
  std::vector<Event> events;
  std::vector<float> event_probabilities;  // (events, L), of utterances that ended
};

// One stream: its state, and the processing of a hop. Used through a Turn, which makes a call over
// many streams all or nothing. One call at a time.
class Stream {
 public:
  // A new stream for audio of `rate` Hz. Throws AudioError for an unsupported rate or bad options.
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
  // Gate score below which similar hops may be skipped afterwards; 0: none are.
  double quiet_below() const { return quiet_below_; }
  int rate() const { return source_.resampler().rate_in(); }

  // Callable at any time, from any thread.
  double position() const { return static_cast<double>(received_.load()) / rate(); }  // seconds
  std::size_t until_frame() const { return until_frame_.load(); }  // samples, at least
  bool speaking() const { return speaking_.load(); }
  std::size_t most_frames(std::size_t samples) const {
    return source_.most(samples) / core_->sizes.hop + 2;
  }
  double delay() const { return core_->hop_seconds() + resampler().delay(); }

  // The stream must be held: these read its state.
  const Memory& memory() const { return layout_.memory(block()); }
  double now() const;  // of the newest frame, in seconds from the stream's start
  SpeakerMemory speaker() const { return layout_.speaker(block()); }
  std::byte* rings() const { return layout_.rings(block()); }
  std::byte* block() const { return reinterpret_cast<std::byte*>(block_.get()); }

  const Results& results() const { return results_; }
  const Verdict& verdict() const { return verdict_; }  // of the last flush
  const std::vector<float>& verdict_probabilities() const { return verdict_probabilities_; }

  // --- for a turn ---

  enum class Kind { process, flush, calibrate };

  // Throws BusyError if another call is running.
  void hold();
  void release() noexcept {
    publish();
    busy_.clear(std::memory_order_release);
  }

  // Begins a call with a checked chunk (samples = 0: none). Saves what undo needs, including the
  // rings if this stream's own rings will be stepped. Throws before anything changes.
  void begin(const Chunk& chunk, Kind kind, bool rings);

  // Advances to the next segment that must be computed; null if there is none. Records the frames
  // of digital silence on the way.
  const float* next_segment();
  float level() const { return memory().level; }

  // Takes the token (C) of that segment, and its running level. Returns true if the gate is open;
  // then `heard` is the TACN's input, and `begins` says whether the sequence begins with it.
  bool take_token(const float* token, float level, float* heard, bool* begins);

  // The rings, for a step by the core's own TACN.
  std::byte* rings_to_step();

  // Takes the logits (L) of that step.
  void take_logits(const float* logits);

  // Ends the utterance and sequence at a flush. Can be undone.
  void conclude();

  // Restores the state at `begin`.
  void undo() noexcept;

  // --- outside of turns; the caller holds the stream ---

  void reset() noexcept;
  void new_speaker() noexcept;
  void skip(double seconds);
  // Learns from a stream that has processed calibration audio. Throws AudioError if it has too
  // little speech, StateError if this stream does not adapt.
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

  std::shared_ptr<const Core> core_;
  StreamOptions options_;
  std::shared_ptr<Detector> detector_;
  Source source_;
  Layout layout_;
  std::optional<Endpointer> endpointer_;
  double threshold_;           // of a detector's score
  std::int64_t forget_after_;  // hops without speech until the speaker is forgotten; 0: never
  double quiet_below_;         // of the gate's score; 0: every hop is computed
  std::unique_ptr<void, Free> block_;
  std::atomic_flag busy_ = {};
  std::atomic<std::int64_t> received_ = 0;
  std::atomic<std::size_t> until_frame_ = 1;
  std::atomic<bool> speaking_ = false;

  // Of the current call.
  Kind kind_ = Kind::process;
  bool padded_ = false;
  float token_level_ = 0, token_speech_ = 0;
  std::optional<Impression> impression_;  // of the current segment, if it was needed
  Results results_;
  Verdict verdict_{};
  std::vector<float> verdict_probabilities_;

  // For undo: the head, and either all rings or the slots that each step overwrites.
  std::vector<std::byte> kept_head_, journal_;
  std::size_t journaled_ = 0;  // steps
  bool kept_rings_ = false;
};

}  // namespace edgeser
