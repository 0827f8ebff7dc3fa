// What a stream does with each hop: from samples to frames, events and verdicts.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "stream/errors.hpp"
#include "stream/stream.hpp"

namespace edgeser {
namespace {

constexpr float largest_token = 1e9f;

}  // namespace

// Takes `samples` from the source. Returns true if that completes a segment.
bool Stream::hear(std::size_t samples) noexcept {
  Memory& m = layout_.memory(block());
  const std::size_t segment = core_->sizes.segment;
  const float* const from = source_.samples();
  float* const tail = layout_.tail(block());
  std::memmove(tail, tail + samples, (segment - samples) * sizeof(float));
  std::memcpy(tail + segment - samples, from, samples * sizeof(float));
  std::size_t zeros = 0;
  while (zeros < samples && from[samples - 1 - zeros] == 0) ++zeros;
  const auto silent = static_cast<std::int64_t>(zeros);
  m.zeros =
      zeros < samples ? silent : std::min(m.zeros + silent, static_cast<std::int64_t>(segment));
  m.heard += static_cast<std::int64_t>(samples);
  m.missing -= static_cast<std::int64_t>(samples);
  source_.take(samples);
  if (m.missing > 0) return false;
  m.missing = static_cast<std::int64_t>(core_->sizes.hop);
  return true;
}

const float* Stream::next_segment() {
  Memory& m = layout_.memory(block());
  const auto segment = static_cast<std::int64_t>(core_->sizes.segment);
  const auto hop = static_cast<std::int64_t>(core_->sizes.hop);
  while (true) {
    while (source_.left() > 0) {
      // At most a hop, so that anything after a segment of zeros comes after the first zeros.
      std::size_t count = std::min(source_.left(), static_cast<std::size_t>(m.missing));
      std::size_t zeros = 0;
      while (zeros < count && source_.samples()[zeros] == 0) ++zeros;
      const bool onset = zeros < count && m.zeros + static_cast<std::int64_t>(zeros) >= segment;
      if (onset && zeros == 0) {
        m.missing = hop;  // the sound begins here, as in a new stream
        count = std::min(source_.left(), static_cast<std::size_t>(hop));
      } else if (onset) {
        count = zeros;
      }
      if (!hear(count)) continue;
      if (m.zeros >= segment) {
        m.remembered = 0;
        layout_.quiet(block()) = {};
        closed(0, silence_level);
      } else if (like_quiet()) {
        const QuietMemory quiet = layout_.quiet(block());
        closed(quiet.speech, quiet.level);
      } else {
        return layout_.tail(block());
      }
    }
    if (source_.next({layout_.resampler(block()), m.quiet, m.muted})) continue;
    if (kind_ == Kind::process || padded_) return nullptr;
    padded_ = true;  // a partial hop is padded
    if (m.missing < hop) source_.pad(static_cast<std::size_t>(m.missing));
  }
}

// Whether the newest hop sounds like the silence before it and can be skipped.
bool Stream::like_quiet() noexcept {
  QuietMemory& quiet = layout_.quiet(block());
  impression_.reset();
  if (quiet.refused < core_->quiet.enough()) return false;
  impression_ = core_->quiet.listen(layout_.tail(block()));
  if (quiet.passed >= Quiet::most_passed) return false;
  if (!core_->quiet.sounds_alike(*impression_, quiet)) return false;
  quiet.passed += 1;
  return true;
}

// The gate refused the hop.
void Stream::refuse(float speech, float level) noexcept {
  if (quiet_below_ == 0) return;
  if (!(double{speech} < quiet_below_)) {
    layout_.quiet(block()) = {};
    return;
  }
  const float* const segment = layout_.tail(block());
  if (!impression_) impression_ = core_->quiet.listen(segment);
  core_->quiet.refuse(*impression_, segment, speech, level, layout_.quiet(block()));
}

bool Stream::take_token(const float* token, float level, float* heard, bool* begins) {
  Memory& m = layout_.memory(block());
  const std::size_t width = core_->sizes.width;
  bool good = std::abs(level) <= 1e6f;  // false for NaN
  for (std::size_t c = 0; c < width; ++c) good &= std::abs(token[c]) <= largest_token;
  if (!good) {
    throw BackendError(
        "the front end returned values that are not finite, or absurd: the bundle is broken, take "
        "another");
  }
  float* const earlier = layout_.gate(block());
  auto remembered = static_cast<std::size_t>(m.remembered);
  const float speech = core_->gate.score(token, earlier, remembered);
  core_->gate.remember(token, earlier, remembered);
  m.remembered = static_cast<std::int64_t>(remembered);
  if (!std::isfinite(speech)) {
    throw BackendError("the gate's score is not finite: the bundle is broken, take another");
  }
  if (!(double{speech} >= core_->thresholds.speech)) {
    refuse(speech, level);
    closed(speech, level);
    return false;
  }
  m.pause = 0;
  m.level = level;
  layout_.quiet(block()) = {};
  core_->speaker.normalise(token, heard);
  core_->speaker.hear(heard, layout_.speaker(block()), heard);
  *begins = m.tokens == 0;
  m.tokens += 1;
  token_level_ = level;
  token_speech_ = speech;
  return kind_ != Kind::calibrate;
}

void Stream::take_logits(const float* logits) { record(logits, token_speech_, token_level_); }

// A hop without speech.
void Stream::closed(float speech, float level) {
  Memory& m = layout_.memory(block());
  m.pause = std::min(m.pause + 1, most_samples);
  if (m.pause == static_cast<std::int64_t>(core_->pause) && m.tokens > 0) {
    if (kind_ == Kind::calibrate) {
      forget_level();
    } else {
      end_sequence();
    }
  }
  if (kind_ == Kind::calibrate) return;
  if (forget_after_ > 0 && m.pause == forget_after_) core_->speaker.forget(speaker());
  record(nullptr, speech, level);
}

// After this the gate uses another level, so earlier refusals say nothing.
void Stream::forget_level() noexcept {
  layout_.memory(block()).level = core_->level_initial;
  layout_.quiet(block()) = {};
}

// Ends the sequence: updates the speaker, clears the rings and the level.
void Stream::end_sequence() noexcept {
  Memory& m = layout_.memory(block());
  core_->speaker.end(speaker(), static_cast<std::size_t>(m.tokens), options_.adapt);
  m.tokens = 0;
  forget_level();
}

double Stream::now() const {
  return memory().origin +
         static_cast<double>(memory().heard) / static_cast<double>(core_->sizes.sample_rate);
}

// Records a frame; null logits if the gate was closed.
void Stream::record(const float* logits, float speech, float level) {
  Memory& m = layout_.memory(block());
  const std::size_t labels = core_->labels.size(), hop = core_->sizes.hop;
  results_.probabilities.resize((results_.frames.size() + 1) * labels);
  float* const probabilities = &results_.probabilities[results_.frames.size() * labels];
  Frame frame{.time = now(),
              .confidence = 1.0f / static_cast<float>(labels),
              .speech = speech,
              .level = level,
              .label = no_label,
              .open = logits != nullptr};
  std::fill_n(probabilities, labels, frame.confidence);
  m.frames += 1;
  if (logits != nullptr) {
    if (!softmax(logits, labels, probabilities)) {
      throw BackendError(
          "the model returned values that are not finite: its bundle is broken, take another");
    }
    const auto best = std::max_element(logits, logits + labels) - logits;
    frame.confidence = probabilities[best];
    if (double{frame.confidence} >= core_->thresholds.confidence) {
      frame.label = static_cast<std::int32_t>(best);
    }
    m.spoken += 1;
    add_to_verdict(layout_.sums(block()), probabilities, labels, speech, m.spoken);
  }
  if (detector_ != nullptr) {
    const double score = detector_->score(layout_.tail(block()) + core_->sizes.segment - hop, hop);
    if (!(score >= 0 && score <= 1)) {
      throw Error("the speech detector returned a score outside 0 to 1: repair it");
    }
    frame.speech = static_cast<float>(score);
    if (score < threshold_) frame.label = no_label;
  }
  results_.frames.push_back(frame);
  if (!endpointer_) return;
  results_.event_probabilities.resize((results_.events.size() + 1) * labels);
  Event event;
  if (!endpointer_->hear(frame, probabilities, m.utterance, layout_.utterance_sums(block()), event,
                         &results_.event_probabilities[results_.events.size() * labels])) {
    return;
  }
  event.frame = results_.frames.size();
  results_.events.push_back(event);
  if (event.kind == Event::Kind::ended && options_.rules->reset && m.tokens > 0) end_sequence();
}

void Stream::conclude() {
  if (kind_ != Kind::flush) return;
  Memory& m = layout_.memory(block());
  const std::size_t labels = core_->labels.size();
  results_.event_probabilities.resize((results_.events.size() + 1) * labels);
  if (m.tokens > 0) end_sequence();
  const double pushed = static_cast<double>(m.received) / rate();
  verdict_ = edgeser::conclude(
      layout_.sums(block()), labels, {core_->thresholds.confidence, core_->thresholds.utterance},
      pushed, static_cast<double>(m.spoken) * core_->hop_seconds(), verdict_probabilities_.data());
  double origin = 0;
  if (endpointer_) {
    origin = m.origin + pushed;  // utterance times count from the stream's start
    Event event;
    if (endpointer_->flush(m.utterance, layout_.utterance_sums(block()), event,
                           &results_.event_probabilities[results_.events.size() * labels])) {
      event.frame = results_.frames.size();
      results_.events.push_back(event);
    }
  }
  fresh(true);
  m.origin = origin;
}

}  // namespace edgeser
