// Saved states: they continue with the same bits, never change their size, and invalid bytes are
// always refused.
#include <cstddef>
#include <limits>

#include "bundle/sha256.hpp"
#include "check.hpp"
#include "stream/errors.hpp"
#include "toy_core.hpp"

using namespace edgeser;

namespace {

constexpr std::size_t head_bytes = 120;  // before the block

void sign(std::vector<std::byte>& bytes) {
  const std::size_t body = bytes.size() - sizeof(Digest);
  const Digest digest = sha256({reinterpret_cast<const char*>(bytes.data()), body});
  std::memcpy(&bytes[body], digest.data(), sizeof digest);
}

template <class T>
std::vector<std::byte> with(std::vector<std::byte> bytes, std::size_t at, T value) {
  std::memcpy(&bytes[at], &value, sizeof value);
  sign(bytes);
  return bytes;
}

StreamOptions all_options() {
  StreamOptions options;
  options.new_speaker_after = 30;
  options.threshold = 0.6;
  options.rules = UtteranceRules{.speech = 0.4, .onset = 0.05, .hangover = 0.1, .longest = 1};
  return options;
}

}  // namespace

TEST(saved_at_every_hop_goes_on_with_the_same_bits) {
  for (const int rate : {8000, 11025}) {
    const std::vector<float> samples = toy::sound(5, 16'000);
    const auto stream = toy::stream(toy::core(), rate, all_options());
    auto other = toy::resumed(toy::saved(*stream), toy::core());
    CHECK(other->rate() == rate && other->options() == all_options());
    const std::size_t size = saved_size(*stream);
    toy::Told a, b;
    for (std::size_t at = 0; at + 128 <= samples.size(); at += 128) {
      toy::push(*stream, &samples[at], 128, a);
      toy::push(*other, &samples[at], 128, b);
      const auto bytes = toy::saved(*other);
      CHECK(bytes == toy::saved(*stream) && bytes.size() == size);
      other = toy::resumed(bytes, toy::core());
    }
    toy::flush(*stream, a);
    toy::flush(*other, b);
    CHECK(a.frames.size() > 80 && toy::same(a, b) && a.events.size() == b.events.size());
    CHECK(std::memcmp(&a.verdict, &b.verdict, sizeof a.verdict) == 0);
  }
}

TEST(saved_bytes_tell_only_what_is_remembered) {
  const auto core = toy::core(true);
  StreamOptions still;
  still.adapt = false;
  const auto a = toy::token_stream(core, still), b = toy::token_stream(core, still);
  Random random(1);
  toy::Told told;
  toy::push_tokens(*a, toy::tokens(random, 25, true), -30, told);
  toy::push_tokens(*b, toy::tokens(random, 25, true), -30, told);
  const auto quiet = toy::tokens(random, 12, false);
  toy::push_tokens(*a, quiet, -30, told);
  toy::push_tokens(*b, quiet, -30, told);
  const auto x = toy::saved(*a), y = toy::saved(*b);
  const std::size_t rings = x.size() - sizeof(Digest) - (core->tacn.state_bytes() + 63) / 64 * 64;
  CHECK(std::equal(x.begin() + static_cast<std::ptrdiff_t>(rings), x.end() - sizeof(Digest),
                   y.begin() + static_cast<std::ptrdiff_t>(rings)));
}

TEST(saved_rings_of_another_kind_are_converted_or_refused) {
  const auto core = [](Precision precision, bool projections) {
    return std::make_shared<const Core>(toy::bundle(true), find_level(nullptr), precision,
                                        projections);
  };
  const auto float32 = core(Precision::float32, false), int8 = core(Precision::int8, false);
  const auto bfloat16 = core(Precision::bfloat16, false);
  Random random(1);
  const auto first = toy::tokens(random, 25, true), rest = toy::tokens(random, 25, true);
  const auto began = [&](const std::shared_ptr<const Core>& of) {
    auto stream = toy::stream(of);
    toy::Told told;
    toy::push_tokens(*stream, first, -30, told);
    CHECK(stream->memory().tokens == 25);
    return stream;
  };
  const auto told = [&](Stream& stream) {
    toy::Told result;
    toy::push_tokens(stream, rest, -30, result);
    CHECK(result.frames.size() == 25 && stream.memory().tokens == 50);
    return result;
  };

  for (const Precision precision : {Precision::float32, Precision::bfloat16}) {
    const auto own = core(precision, false), gpu = core(precision, true);
    CHECK(own->tacn.rings() == Rings::float32 && gpu->tacn.rings() == Rings::projections);
    // Projected on load or in each step: the same bits.
    const auto here = began(own);
    const auto there = toy::resumed(toy::saved(*here), gpu);
    CHECK(toy::same(told(*here), told(*there)));
    // And back, within rounding error.
    const auto from = began(gpu);
    const auto back = toy::resumed(toy::saved(*from), own);
    const toy::Told a = told(*from), b = told(*back);
    CHECK_EQUAL(a.frames.size(), b.frames.size());
    float worst = 0;
    for (std::size_t i = 0; i < a.probabilities.size(); ++i) {
      worst = std::max(worst, std::abs(a.probabilities[i] - b.probabilities[i]));
    }
    CHECK(worst < 1e-5f);
  }
  const auto here = began(float32);
  const auto saved = toy::saved(*here);
  CHECK(toy::saved(*toy::resumed(saved, bfloat16)) == saved);  // both store the same
  CHECK_ERROR(toy::resumed(saved, int8), "keeps its past in float32");
  CHECK_ERROR(toy::resumed(toy::saved(*began(int8)), float32), "keeps its past in int8");
  CHECK_ERROR(toy::resumed(toy::saved(*began(core(Precision::float32, true))), int8), "float32");
  auto out = toy::saved(*began(core(Precision::float32, true)));
  const std::size_t rings = out.size() - sizeof(Digest) - 64;  // the last slots, of Q, K and V
  CHECK_ERROR(toy::resumed(with(out, rings, std::numeric_limits<float>::infinity()), float32),
              "contradicts itself");
}

TEST(saved_states_that_are_refused) {
  const auto core = toy::core();
  const auto stream = toy::stream(core, 11025, all_options());
  toy::Told told;
  toy::push(*stream, toy::sound(2, 9000), told);
  const auto good = toy::saved(*stream);
  const auto load = [&](const std::vector<std::byte>& bytes) { toy::resumed(bytes, core); };
  load(good);
  auto bytes = good;
  bytes.resize(20);
  CHECK_ERROR(load(bytes), "not a saved stream");
  bytes = good;
  bytes.pop_back();
  CHECK_ERROR(load(bytes), "cut short");
  bytes = good;
  bytes[3000] ^= std::byte{1};
  CHECK_ERROR(load(bytes), "SHA-256");
  CHECK_ERROR(load(with<std::uint32_t>(good, 8, 4)), "a newer edgeser");
  CHECK_ERROR(load(with<std::uint32_t>(good, 8, 2)), "an older edgeser");
  CHECK_ERROR(load(with<std::uint32_t>(good, 12, 8000)), "another version");
  CHECK_ERROR(load(with<std::uint32_t>(good, 12, 5)), "contradicts itself");
  CHECK_ERROR(load(with<std::uint8_t>(good, 20, 99)), "belongs to model");
  CHECK_ERROR(load(with<std::uint8_t>(good, 98, 7)), "contradicts itself");
  CHECK_ERROR(load(with<std::uint32_t>(good, 104, 3)), "contradicts itself");
  CHECK_ERROR(load(with<std::uint32_t>(good, 104, 2)), "another version");  // by its length
  CHECK_ERROR(load(with<std::uint32_t>(good, 108, 1)), "contradicts itself");
  CHECK_ERROR(load(with<float>(good, head_bytes + offsetof(Memory, utterances), 2e9f)),
              "contradicts itself");
  const auto deaf = with<std::uint8_t>(good, 96, 0);  // does not adapt, but has speaker statistics
  CHECK_ERROR(load(with<float>(deaf, head_bytes + offsetof(Memory, utterances), 1)),
              "contradicts itself");
  CHECK_ERROR(load(with<double>(good, 48, std::numeric_limits<double>::quiet_NaN())),
              "contradicts itself");
  CHECK_ERROR(load(with<std::uint64_t>(good, 112, UINT64_MAX - 100)), "cut short");
}

TEST(saved_verdicts_and_utterances_must_be_possible) {
  const auto core = toy::core();
  const auto stream = toy::stream(core, 8000, all_options());
  toy::Told told;
  toy::push(*stream, toy::sound(2, 9000), told);
  const auto load = [&](const std::vector<std::byte>& bytes) { toy::resumed(bytes, core); };
  const Layout& layout = stream->layout();
  auto bytes = toy::saved(*stream);
  std::byte* const block = &bytes[head_bytes];

  double* const sums = layout.sums(block);
  CHECK(sums[0] > 0.1);  // some speech was heard
  const double weight = sums[0];
  for (const double other : {5e-324, weight / 2, weight * 1.01}) {
    sums[0] = other;  // probabilities that do not add up to 1
    sign(bytes);
    CHECK_ERROR(load(bytes), "contradicts itself");
  }
  sums[0] = weight;

  UtteranceMemory& u = layout.memory(block).utterance;
  const auto times = [&](std::int64_t frames, double first, double last) {
    u = {.frames = frames, .first = first, .last = last};
    std::fill_n(layout.utterance_sums(block), 1 + core->labels.size(), 0.0);
    sign(bytes);
  };
  times(5, 0.5, 1.0);
  load(bytes);
  times(5, 1.0, 0.5);  // ends before it starts
  CHECK_ERROR(load(bytes), "contradicts itself");
  times(5, 0.5, 100);  // in the future
  CHECK_ERROR(load(bytes), "contradicts itself");
  times(0, 0.5, 0.5);  // of no utterance
  CHECK_ERROR(load(bytes), "contradicts itself");
}

TEST(saved_states_cannot_lead_a_stream_astray) {
  const auto core = toy::core();
  const auto stream = toy::stream(core, 8000, all_options());
  toy::Told told;
  toy::push(*stream, toy::sound(2, 9000), told);
  const auto good = toy::saved(*stream);
  const std::vector<float> more = toy::sound(4, 2000);
  const std::size_t ends = head_bytes + stream->layout().bytes();
  std::size_t refused = 0, taken = 0;
  const auto attempt = [&](const std::vector<std::byte>& bytes) {
    try {
      const auto resumed = toy::resumed(bytes, core);
      toy::Told unused;
      try {  // any error is fine, and otherwise all values stay bounded
        toy::push(*resumed, more, unused);
        toy::flush(*resumed, unused);
        for (const Frame& frame : unused.frames) {
          CHECK(std::isfinite(frame.level) && std::isfinite(frame.speech));
        }
      } catch (const StateError&) {
      } catch (const BackendError&) {
      }
      const auto again = toy::saved(*resumed);
      toy::resumed(again, core);
      ++taken;
    } catch (const StateError&) {
      ++refused;
    }
  };
  const std::size_t fixed = head_bytes + sizeof(Memory);
  for (std::size_t at = head_bytes; at < fixed; at += 8) {
    for (const std::int64_t value :
         {INT64_MIN, std::int64_t{-1}, std::int64_t{5}, std::int64_t{1} << 40, INT64_MAX}) {
      attempt(with(good, at, value));
    }
  }
  for (std::size_t at = head_bytes; at < ends; at += at < fixed + 1200 ? 4 : 1020) {
    for (const float value : {-1e30f, 3e38f, 1e5f, std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN()}) {
      attempt(with(good, at, value));
    }
  }
  CHECK(refused > 500);
  CHECK(taken > 20);
}
