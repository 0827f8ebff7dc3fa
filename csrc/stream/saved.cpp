#include "stream/saved.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "bundle/sha256.hpp"
#include "state.hpp"
#include "stream/errors.hpp"
#include "tacn/convert.hpp"

namespace edgeser {
namespace {

// Absent options are stored as -1.
struct SavedOptions {
  double new_speaker_after = -1, threshold = -1, speech = -1;
  double onset = 0, hangover = 0, longest = 0;
  std::uint8_t adapt = 0, rules = 0, reset = 0, every_hop = 0, zero[4] = {};
};
static_assert(sizeof(SavedOptions) == 56);

struct SavedHead {
  char magic[8] = {'E', 'D', 'G', 'E', 'S', 'E', 'R', '\0'};
  std::uint32_t format = saved_format;
  std::uint32_t rate = 0;
  Digest model = {};
  SavedOptions options;
  std::uint32_t rings = 0;
  std::uint32_t zero = 0;
  std::uint64_t length = 0;
};
static_assert(sizeof(SavedHead) == 120);

SavedOptions pack(const StreamOptions& options) {
  SavedOptions packed;
  packed.new_speaker_after = options.new_speaker_after.value_or(-1);
  packed.threshold = options.threshold.value_or(-1);
  packed.adapt = options.adapt;
  packed.every_hop = options.every_hop;
  if (options.rules) {
    const UtteranceRules& rules = *options.rules;
    packed.rules = 1;
    packed.speech = rules.speech.value_or(-1);
    packed.onset = rules.onset;
    packed.hangover = rules.hangover;
    packed.longest = rules.longest;
    packed.reset = rules.reset;
  }
  return packed;
}

StreamOptions unpack(const SavedOptions& packed) {
  const auto given = [](double value) {
    return value == -1 ? std::nullopt : std::optional<double>(value);
  };
  StreamOptions options{.adapt = packed.adapt != 0,
                        .new_speaker_after = given(packed.new_speaker_after),
                        .threshold = given(packed.threshold),
                        .rules = std::nullopt,
                        .every_hop = packed.every_hop != 0};
  if (packed.rules != 0) {
    options.rules = {.speech = given(packed.speech),
                     .onset = packed.onset,
                     .hangover = packed.hangover,
                     .longest = packed.longest,
                     .reset = packed.reset != 0};
  }
  return options;
}

[[noreturn]] void refuse(const std::string& why) { throw StateError("this state " + why); }

[[noreturn]] void contradicts() {
  refuse("contradicts itself; it was not made by saving a stream");
}

bool bounded(const float* values, std::size_t count, float most) {
  for (std::size_t i = 0; i < count; ++i) {
    if (!(std::abs(values[i]) <= most)) return false;  // false for NaN
  }
  return true;
}

constexpr float largest_ring = 1e12f;  // products of two stay far below overflow
constexpr float largest_power = 1e9f;  // power of the largest samples that the buffer may hold

bool within(std::int64_t value, std::int64_t low, std::int64_t high) {
  return value >= low && value <= high;
}

// Whether so many frames can have these sums of weights and weighted probabilities.
bool sums_fit(const double* sums, std::size_t labels, std::int64_t frames) {
  double weighted = 0;
  for (std::size_t i = 0; i <= labels; ++i) {
    if (!(sums[i] >= 0 && sums[i] <= static_cast<double>(frames) * 1.001)) return false;
    if (i > 0) weighted += sums[i];
  }
  return std::abs(weighted - sums[0]) <= 1e-3 * sums[0];  // probabilities add up to 1
}

// Whether an utterance may have these times in a stream that has reached `now`.
bool times_fit(const UtteranceMemory& u, double now) {
  if (u.frames == 0) return u.speaking == 0 && u.first == 0 && u.last == 0;
  return u.first >= 0 && u.first <= u.last && u.last <= now;
}

// Whether the state of the rule for quiet hops is possible.
bool quiet_fits(const QuietMemory& quiet, const Stream& stream) {
  const QuietMemory nothing;
  if (quiet.refused == 0) return std::memcmp(&quiet, &nothing, sizeof quiet) == 0;
  const auto powers = [](const float* values) {
    return std::all_of(values, values + quiet_bands,
                       [](float power) { return power >= 0 && power <= largest_power; });
  };
  const std::int64_t enough = stream.core().quiet.enough();
  return stream.quiet_below() > 0 && within(quiet.refused, 1, enough) &&
         within(quiet.passed, 0, quiet.refused == enough ? Quiet::most_passed : 0) &&
         quiet.speech >= 0 && double{quiet.speech} < stream.core().thresholds.speech &&
         bounded(&quiet.level, 1, 1e6f) && powers(quiet.heard.loudest) && powers(quiet.heard.mean);
}

// Checks everything except the rings.
bool fits(const Stream& stream) {
  const Core& core = stream.core();
  const Layout& layout = stream.layout();
  std::byte* const block = stream.block();
  const Memory& m = stream.memory();
  const UtteranceMemory& u = m.utterance;
  constexpr std::int64_t most = std::int64_t{1} << 53;
  const auto segment = static_cast<std::int64_t>(core.sizes.segment);
  const std::size_t width = core.sizes.width, labels = core.labels.size();

  const bool counters =
      within(m.received, 0, most) && within(m.heard, 0, most) && within(m.frames, 0, m.heard) &&
      within(m.spoken, 0, m.frames) && within(m.tokens, 0, m.spoken) && within(m.pause, 0, most) &&
      within(m.missing, 1, static_cast<std::int64_t>(core.sizes.hop)) &&
      within(m.zeros, 0, segment) &&
      within(m.remembered, 0, static_cast<std::int64_t>(core.gate.memory())) &&
      within(m.quiet, 0, stream.source().silence()) &&
      within(m.muted, 0, static_cast<std::int64_t>(stream.source().most(0))) &&
      within(u.speaking, 0, 1) && within(u.frames, 0, most) && within(u.silent, 0, u.frames) &&
      within(u.spoken, 0, u.frames) && within(u.counted, 0, u.spoken) &&
      (stream.options().rules || u.frames == 0) && m.zero == 0;
  if (!counters) return false;

  if (!(m.origin >= 0 && m.origin <= longest_time) || !times_fit(u, stream.now())) return false;

  const float* const tail = layout.tail(block);
  std::int64_t zeros = 0;
  while (zeros < segment && tail[segment - 1 - zeros] == 0) ++zeros;
  const SpeakerMemory speaker = stream.speaker();
  const float sum = Speaker::largest_token * static_cast<float>(m.tokens) * 1.001f;
  return zeros == m.zeros && bounded(&m.level, 1, 1e6f) && bounded(&m.weight, 1, 1) &&
         (stream.options().adapt || m.utterances == 0) && m.utterances >= 0 &&
         m.utterances <= Speaker::most_utterances && bounded(speaker.sum, width, sum) &&
         bounded(speaker.mean, width, Speaker::largest_token) &&
         bounded(speaker.square, width, Speaker::largest_square) &&
         sums_fit(layout.sums(block), labels, m.spoken) &&
         sums_fit(layout.utterance_sums(block), labels, u.counted) &&
         bounded(layout.gate(block), core.gate.memory() * width, 1e9f) &&
         quiet_fits(layout.quiet(block), stream) && bounded(tail, core.sizes.segment, 1e3f);
}

bool resampler_fits(const Stream& stream) {
  const Resampler& resampler = stream.resampler();
  if (resampler.state_bytes() == 0) return true;
  const std::byte* const state = stream.layout().resampler(stream.block());
  try {
    resampler.check_state(state);
  } catch (const Error&) {
    return false;
  }
  return bounded(reinterpret_cast<const float*>(state + state_header_bytes), resampler.taps(),
                 largest_sample);
}

Rings rings_of(const SavedHead& head, Rings own) {
  if (head.rings > static_cast<std::uint32_t>(Rings::projections)) contradicts();
  const auto theirs = static_cast<Rings>(head.rings);
  if (theirs == own || can_convert(theirs, own)) return theirs;
  const auto kept = [](Rings rings) {
    return rings == Rings::int8 ? "int8, as a model in int8 does"
                                : "float32, as a model in float32 or bfloat16 does";
  };
  refuse(std::string("keeps its past in ") + kept(theirs) + ", and this model keeps it in " +
         kept(own) + ": load the model in a precision that fits, or begin a new stream");
}

// Copies or converts the rings of a saved block to the stream's own.
void take_rings(const Stream& stream, Rings kept, const char* from) {
  const Tacn& tacn = stream.core().tacn;
  std::byte* const own = stream.rings();
  std::vector<std::byte> other;  // input bytes may be unaligned
  std::byte* theirs = own;
  if (kept != tacn.rings()) {
    other.resize(tacn.state_bytes(kept));
    theirs = other.data();
  }
  std::memcpy(theirs, from, tacn.state_bytes(kept));
  try {
    tacn.check_states(&theirs, 1);
  } catch (const Error&) {
    contradicts();
  }
  if (!tacn.bounded(kept, theirs, largest_ring) ||
      state_counter(theirs) != stream.memory().tokens) {
    contradicts();
  }
  if (theirs == own) return;
  convert_state(tacn, kept, theirs, own);
  if (!tacn.bounded(tacn.rings(), own, largest_ring)) contradicts();
}

}  // namespace

std::size_t saved_size(const Stream& stream) noexcept {
  return sizeof(SavedHead) + stream.layout().bytes() + sizeof(Digest);
}

void save_stream(const Stream& stream, std::byte* bytes) {
  const Core& core = stream.core();
  const std::size_t length = stream.layout().bytes();
  SavedHead head;
  head.rate = static_cast<std::uint32_t>(stream.rate());
  head.model = core.hash;
  head.options = pack(stream.options());
  head.rings = static_cast<std::uint32_t>(core.tacn.rings());
  head.length = length;
  std::memcpy(bytes, &head, sizeof head);
  std::byte* const block = bytes + sizeof head;
  std::memcpy(block, stream.block(), length);

  std::byte* const rings = block + stream.layout().head_bytes();
  const auto position = static_cast<std::size_t>(stream.memory().tokens);
  set_state_counter(rings, stream.memory().tokens);
  const TacnPlan& plan = core.tacn.plan();
  const std::size_t slot = plan.slot_bytes;
  for (std::size_t n = 0; n < plan.layer_count; ++n) {
    const TacnLayer& layer = plan.layers[n];
    if (position >= layer.ring_slots) continue;
    std::memset(rings + layer.ring + position * slot, 0, (layer.ring_slots - position) * slot);
  }

  const std::size_t body = sizeof head + length;
  const Digest digest = sha256({reinterpret_cast<const char*>(bytes), body});
  std::memcpy(bytes + body, digest.data(), sizeof digest);
}

std::shared_ptr<Stream> load_stream(std::shared_ptr<const Core> core, const void* from,
                                    std::size_t size, std::shared_ptr<Detector> detector,
                                    std::optional<double> threshold) {
  StreamOptions wished;
  wished.threshold = threshold;
  check_options(wished);
  const char* const bytes = static_cast<const char*>(from);
  SavedHead head;
  const SavedHead wanted;
  if (size < sizeof head + sizeof(Digest) ||
      std::memcmp(bytes, wanted.magic, sizeof wanted.magic) != 0) {
    throw StateError("these bytes are not a saved stream: pass what saving a stream gave");
  }
  std::memcpy(&head, bytes, sizeof head);
  if (head.format != saved_format) {
    const bool newer = head.format > saved_format;
    refuse("has format " + std::to_string(head.format) + ", made by " +
           (newer ? "a newer" : "an older") + " edgeser; this one reads format " +
           std::to_string(saved_format) + ": " +
           (newer ? "upgrade edgeser" : "begin a new stream"));
  }
  const std::size_t ends = sizeof head + sizeof(Digest);
  if (head.length > SIZE_MAX - ends || size != head.length + ends) {
    refuse("is " + std::to_string(size) +
           " bytes long and should be another length: it was cut "
           "short or something was added");
  }
  const std::size_t body = size - sizeof(Digest);
  const Digest digest = sha256({bytes, body});
  if (std::memcmp(digest.data(), bytes + body, sizeof digest) != 0) {
    refuse("is damaged (its SHA-256 does not match): save it again");
  }
  if (head.model != core->hash) {
    refuse("belongs to model " + hex(head.model).substr(0, 12) + " and this model is " +
           hex(core->hash).substr(0, 12) +
           ": load the bundle that the stream was made with, or begin a new stream");
  }
  const Rings kept = rings_of(head, core->tacn.rings());
  StreamOptions options = unpack(head.options);
  const SavedOptions again = pack(options);
  if (std::memcmp(&again, &head.options, sizeof again) != 0 || head.zero != 0) contradicts();
  if (threshold && !(options.rules && options.rules->speech)) options.threshold = threshold;
  std::shared_ptr<Stream> stream;
  try {
    stream = std::make_shared<Stream>(std::move(core), head.rate, options, std::move(detector));
  } catch (const AudioError&) {
    contradicts();
  }
  const Layout& layout = stream->layout();
  const std::size_t length = layout.bytes_with(stream->core().tacn.state_bytes(kept));
  if (head.length != length) {
    refuse("holds " + std::to_string(head.length) + " bytes and a stream at " +
           std::to_string(head.rate) + " Hz has " + std::to_string(length) +
           " here: it was made by another version of edgeser; begin a new stream");
  }
  std::memcpy(stream->block(), bytes + sizeof head, layout.head_bytes());
  if (!fits(*stream) || !resampler_fits(*stream)) contradicts();
  take_rings(*stream, kept, bytes + sizeof head + layout.head_bytes());
  // With a detector, quiet may be what utterances without it take for speech.
  QuietMemory& quiet = layout.quiet(stream->block());
  if (!(double{quiet.speech} < stream->quiet_below())) quiet = {};
  // Weight and shift are derived from the rest.
  const Memory before = stream->memory();
  stream->core().speaker.settle(stream->speaker());
  if (!(std::abs(before.weight - stream->memory().weight) < 1e-3f)) contradicts();
  stream->hold();
  stream->release();
  return stream;
}

}  // namespace edgeser
