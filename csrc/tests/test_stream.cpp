// Promises of a stream: chunks, batches and silence change nothing, and an error undoes a call.
#include <limits>
#include <thread>

#include "check.hpp"
#include "stream/errors.hpp"
#include "toy_core.hpp"

using namespace edgeser;

namespace {

constexpr std::size_t hop = 128;

toy::Told whole(const std::vector<float>& samples, int rate, std::size_t piece) {
  const auto stream = toy::stream(toy::core(), rate);
  toy::Told told;
  for (std::size_t at = 0; at < samples.size(); at += piece) {
    toy::push(*stream, &samples[at], std::min(piece, samples.size() - at), told);
  }
  toy::flush(*stream, told);
  return told;
}

std::size_t open_frames(const toy::Told& told) {
  std::size_t count = 0;
  for (const Frame& frame : told.frames) count += frame.open;
  return count;
}

std::vector<float> joined(std::vector<float> first, const std::vector<float>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

}  // namespace

TEST(stream_chunks_change_nothing) {
  for (const int rate : {8000, 11025, 48000}) {
    const std::vector<float> samples = toy::sound(5, 40'000);
    const toy::Told once = whole(samples, rate, samples.size());
    const std::size_t open = open_frames(once);
    CHECK(open > 10 && open < once.frames.size() - 10);
    for (const std::size_t piece : std::initializer_list<std::size_t>{1, 7, 128, 1000, 9999}) {
      if (piece == 1 && rate != 8000) continue;
      const toy::Told told = whole(samples, rate, piece);
      CHECK(toy::same(once, told));
      CHECK(std::memcmp(&once.verdict, &told.verdict, sizeof told.verdict) == 0);
    }
  }
}

TEST(stream_batches_change_nothing) {
  constexpr std::size_t count = 9;
  const int rates[] = {8000, 16000, 44100};
  std::vector<std::unique_ptr<Stream>> streams;
  std::vector<Stream*> pointers;
  std::vector<std::vector<float>> sounds;
  std::vector<toy::Told> told(count);
  for (std::size_t i = 0; i < count; ++i) {
    streams.push_back(toy::stream(toy::core(), rates[i % 3]));
    pointers.push_back(streams.back().get());
    sounds.push_back(toy::sound(static_cast<std::uint32_t>(i), 8000 * (i + 1)));
  }
  Workspace scratch(*toy::core(), 4);
  constexpr std::size_t parts = 5;
  for (std::size_t part = 0; part < parts; ++part) {
    std::vector<Chunk> chunks;
    for (const auto& sound : sounds) {
      const std::size_t size = sound.size() / parts;
      chunks.push_back(toy::chunk(&sound[part * size], size));
    }
    Turn turn(*toy::core(), pointers.data(), chunks.data(), count, Stream::Kind::process, scratch);
    turn.run();
    turn.finish();
    for (std::size_t i = 0; i < count; ++i) told[i].add(*streams[i]);
  }
  for (std::size_t i = 0; i < count; ++i) {
    toy::flush(*streams[i], told[i]);
    CHECK(toy::same(told[i], whole(sounds[i], rates[i % 3], 3000)));
  }
}

TEST(stream_silence_before_changes_no_bit) {
  std::vector<float> samples = toy::sound(8, 30'000);
  samples[0] = 0.25f;
  const toy::Told plain = whole(samples, 8000, 500);
  for (const std::size_t zeros : {1u, 100u, 8000u, 8001u, 12'345u}) {
    const toy::Told late = whole(joined(std::vector<float>(zeros), samples), 8000, 777);
    // Frames of the silence itself, until the first non-zero sample.
    CHECK(toy::same(late, plain, zeros / hop, 0, static_cast<double>(zeros) / 8000));
    CHECK(toy::same(late.verdict.confidence, plain.verdict.confidence));
    CHECK(late.verdict.label == plain.verdict.label);
  }
  // A second is a whole number of samples at both rates; a resampler looks ahead.
  const toy::Told plain_11 = whole(samples, 11025, 500);
  const toy::Told late_11 = whole(joined(std::vector<float>(11025), samples), 11025, 777);
  std::size_t silent = 0;
  while (late_11.frames[silent].level == silence_level) ++silent;
  CHECK(silent > 50);
  CHECK(toy::same(late_11, plain_11, silent, 0, 1.0));
}

TEST(stream_inaudible_samples_are_silence) {
  std::vector<float> samples = toy::sound(8, 20'000);
  samples[0] = 0.25f;
  for (const int exponent : {-45, -60, -130}) {  // the powers, or the samples, are denormal
    std::vector<float> faint = samples;
    for (float& sample : faint) sample = std::ldexp(sample, exponent);
    for (const int rate : {8000, 11025}) {
      CHECK(toy::same(whole(joined(faint, samples), rate, 777),
                      whole(joined(std::vector<float>(faint.size()), samples), rate, 777)));
    }
  }
  const float smallest = 0x1p-31f / most_channels;  // of 32-bit audio in one of many channels
  const Chunk chunk{.data = reinterpret_cast<const std::byte*>(&smallest),
                    .type = SampleType::float32,
                    .samples = 1,
                    .channels = 1,
                    .sample_stride = sizeof smallest,
                    .channel_stride = 0};
  float mono = 0;
  to_mono(chunk, 0, 1, &mono);
  CHECK(mono == smallest);
}

TEST(stream_silence_between_changes_no_bit) {
  const std::vector<float> one = joined({0.5f}, toy::sound(1, 20'000));
  const std::vector<float> other = joined({0.5f}, toy::sound(2, 20'000));
  const auto after = [&](std::size_t zeros) {
    const auto stream = toy::stream(toy::core());
    toy::Told before, told;
    toy::push(*stream, joined(one, std::vector<float>(zeros)), before);
    toy::push(*stream, other, told);
    toy::flush(*stream, told);
    return told;
  };
  const std::size_t enough = 9 * hop + 264;  // ends the sequence, and fills a segment
  const toy::Told near = after(enough), far = after(enough + 80'000);
  CHECK(open_frames(near) > 10);
  CHECK(toy::same(near, far, 0, 0, near.frames[0].time - far.frames[0].time));
  CHECK(toy::same(near.verdict.confidence, far.verdict.confidence));
}

TEST(stream_sections_of_quiet_move_nothing) {
  const auto core = toy::core(true);
  const auto stream = toy::token_stream(core);
  Random random(4);
  toy::Told told;
  toy::push_tokens(*stream, toy::tokens(random, 6, true), -30, told);
  const auto rings = [&] {
    return std::vector<std::byte>(stream->rings(), stream->rings() + core->tacn.state_bytes());
  };
  const auto kept = rings();
  const SpeakerMemory speaker = stream->speaker();
  const std::vector<float> sum(speaker.sum, speaker.sum + core->sizes.width);
  toy::push_tokens(*stream, toy::tokens(random, 7, false), -90, told);
  CHECK(rings() == kept && stream->memory().tokens == 6);
  CHECK(stream->level() == -30.0f);
  CHECK(std::equal(sum.begin(), sum.end(), stream->speaker().sum));
  CHECK(*stream->speaker().utterances == 0);
  CHECK(told.frames[7].label == no_label && told.frames[7].level == -90.0f);
  CHECK_NEAR(told.frames[7].confidence, 1.0f / 3, 1e-7f);
  // One more ends the sequence: the speaker statistics are updated, and a new sequence begins.
  toy::push_tokens(*stream, toy::tokens(random, 1, false), -90, told);
  CHECK(stream->memory().tokens == 0 && *stream->speaker().utterances == 1);
  CHECK(stream->level() == -1000.0f);
  const std::vector<float> none(core->sizes.width);
  CHECK(std::equal(none.begin(), none.end(), stream->speaker().sum));
}

TEST(stream_after_a_pause_is_fresh_but_for_the_speaker) {
  const auto core = toy::core(true);
  StreamOptions still;
  still.adapt = false;
  const auto old = toy::token_stream(core, still), fresh = toy::token_stream(core, still);
  Random random(6);
  toy::Told before, a, b;
  toy::push_tokens(*old, toy::tokens(random, 30, true), -30, before);
  toy::push_tokens(*old, toy::tokens(random, 1000, false), -30, before);
  CHECK(*old->speaker().utterances == 0);
  const auto spoken = toy::tokens(random, 20, true);
  toy::push_tokens(*old, spoken, -30, a);
  toy::push_tokens(*fresh, spoken, -30, b);
  CHECK(toy::same(a, b, 0, 0, a.frames[0].time - b.frames[0].time));
}

TEST(stream_errors_undo_the_call) {
  const auto core = toy::core(true);
  for (const std::size_t hops : {3u, 40u}) {  // undo slot by slot, and as a whole
    const auto stream = toy::token_stream(core);
    Random random(7);
    toy::Told told;
    toy::push_tokens(*stream, toy::tokens(random, 20, true), -30, told);
    const auto before = toy::saved(*stream);
    Workspace scratch(*core, 1);
    Stream* const one = stream.get();
    const std::vector<float> samples(hops * hop, 0.25f);
    const Chunk given = toy::chunk(samples.data(), samples.size());
    const float level = -20;
    for (const bool token_fails : {false, true}) {
      Turn turn(*core, &one, &given, 1, Stream::Kind::process, scratch);
      for (std::size_t i = 0; i + 1 < hops; ++i) {
        turn.collect(1);
        // In the long call a sequence ends and another begins.
        if (turn.tokens(toy::token(random, i % 30 < 15).data(), &level) > 0) turn.step();
      }
      turn.collect(1);
      if (token_fails) {
        auto token = toy::token(random, true);
        token[3] = std::numeric_limits<float>::infinity();
        CHECK_ERROR(turn.tokens(token.data(), &level), "not finite");
      } else {
        turn.tokens(toy::token(random, true).data(), &level);
        const std::vector<float> logits(3, std::numeric_limits<float>::quiet_NaN());
        CHECK_ERROR(turn.logits(logits.data()), "not finite");
      }
    }
    CHECK(toy::saved(*stream) == before);
    const auto again = toy::resumed(before, core);
    const auto tokens = toy::tokens(random, 12, true);
    toy::Told a, b;
    toy::push_tokens(*stream, tokens, -30, a);
    toy::push_tokens(*again, tokens, -30, b);
    CHECK(toy::same(a, b));
  }
}

TEST(stream_turns_go_in_order) {
  const auto core = toy::core(true);
  const auto stream = toy::stream(core);
  Workspace scratch(*core, 1);
  Stream* one = stream.get();
  const std::vector<float> samples(hop, 0.25f);
  const Chunk given = toy::chunk(samples.data(), samples.size());
  {
    Turn turn(*core, &one, &given, 1, Stream::Kind::process, scratch, false);
    CHECK_ERROR(turn.finish(), "not over");
    CHECK_ERROR(turn.step(), "out of order");
    CHECK_EQUAL(turn.collect(1), 1u);
    CHECK_ERROR(turn.collect(1), "out of order");
    Random random(1);
    const float level = -20;
    CHECK_EQUAL(turn.tokens(toy::token(random, true).data(), &level), 1u);
    CHECK(turn.begins()[0]);
    CHECK_ERROR(turn.step(), "somebody else's");
    // A second call finds it busy.
    CHECK_ERROR(Turn(*core, &one, &given, 1, Stream::Kind::process, scratch), "another thread");
  }
  Stream* const twice[] = {one, one};
  const Chunk chunks[] = {given, given};
  CHECK_ERROR(Turn(*core, twice, chunks, 2, Stream::Kind::process, scratch), "twice");
  CHECK_ERROR(Turn(*toy::core(), &one, &given, 1, Stream::Kind::process, scratch), "another model");
  CHECK_EQUAL(stream->memory().received, 0);
  one->hold();  // no call is left in it
  one->release();
}

TEST(stream_takes_samples_of_every_kind) {
  const std::vector<float> sound = toy::sound(3, 6000);
  std::vector<std::int16_t> whole(6000), pairs;
  std::vector<float> mono(6000);
  std::vector<double> wide(6000);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    whole[i] = static_cast<std::int16_t>(std::lround(sound[i] * 32767));
    mono[i] = static_cast<float>(whole[i]) / 32768.0f;
    wide[i] = static_cast<double>(mono[i]);
    pairs.insert(pairs.end(), {whole[i], whole[i]});
  }
  const auto frames = [](const Chunk& chunk) {
    const auto stream = toy::stream(toy::core());
    Workspace scratch(*toy::core(), 1);
    Stream* const one = stream.get();
    Turn turn(*toy::core(), &one, &chunk, 1, Stream::Kind::process, scratch);
    turn.run();
    turn.finish();
    toy::Told told;
    told.add(*stream);
    return told;
  };
  const auto* const shorts = reinterpret_cast<const std::byte*>(whole.data());
  const auto* const stereo = reinterpret_cast<const std::byte*>(pairs.data());
  const auto* const doubles = reinterpret_cast<const std::byte*>(wide.data());
  const toy::Told plain = frames(toy::chunk(mono.data(), mono.size()));
  CHECK(plain.frames.size() == 46);
  CHECK(toy::same(plain, frames({shorts, SampleType::int16, 6000, 1, 2, 2})));
  CHECK(toy::same(plain, frames({doubles, SampleType::float64, 6000, 1, 8, 8})));
  CHECK(toy::same(plain, frames({stereo, SampleType::int16, 6000, 2, 4, 2})));
}

TEST(stream_names_bad_chunks) {
  std::vector<float> samples(100, 0.5f);
  const auto check = [&](std::size_t channels = 1) {
    Chunk chunk = toy::chunk(samples.data(), samples.size() / channels);
    chunk.channels = channels;
    chunk.sample_stride = static_cast<std::ptrdiff_t>(channels * sizeof(float));
    check_chunk(chunk, 8000);
  };
  check(2);
  CHECK_ERROR(check(33), "33 channels");
  samples[37] = std::numeric_limits<float>::quiet_NaN();
  CHECK_ERROR(check(), "sample 37 of the chunk is NaN");
  CHECK_ERROR(check(2), "sample 18 of the chunk is NaN");
  samples[37] = -9000;
  CHECK_ERROR(check(), "reach 9000");
  samples.clear();
  CHECK_ERROR(check(), "empty");
  CHECK_ERROR(check_rate(7999), "outside 8000 to 192000");
  const Chunk hour{.data = nullptr, .type = SampleType::int16, .samples = 8000 * 301};
  CHECK_ERROR(check_chunk(hour, 8000), "301 s long");
}

TEST(stream_flush_keeps_the_speaker_alone) {
  const auto core = toy::core(true);
  const auto stream = toy::token_stream(core);
  Random random(2);
  toy::Told told;
  toy::push_tokens(*stream, toy::tokens(random, 10, true), -30, told);
  CHECK(stream->position() > 0.15);
  toy::flush(*stream, told);
  CHECK_EQUAL(told.frames.size(), 10u);
  CHECK_NEAR(told.verdict.duration, 0.16, 1e-9);
  CHECK_NEAR(told.verdict.speech, 0.16, 1e-9);
  CHECK(*stream->speaker().utterances == 1 && stream->position() == 0);
  CHECK(stream->memory().tokens == 0 && stream->memory().heard == 0);
  toy::Told nothing;
  toy::flush(*stream, nothing);
  CHECK(nothing.frames.empty() && nothing.verdict.label == no_label);
  CHECK(*stream->speaker().utterances == 1);
  stream->reset();
  CHECK(toy::saved(*stream) == toy::saved(*toy::token_stream(core)));
}

TEST(stream_says_when_a_frame_can_come) {
  for (const int rate : {8000, 11025, 192'000}) {
    const auto stream = toy::stream(toy::core(), rate);
    const std::vector<float> samples = toy::sound(9, 60'000);
    toy::Told told;
    for (std::size_t at = 0; at + 9000 < samples.size();) {
      const std::size_t surely = stream->until_frame();
      if (surely > 1) {
        const std::size_t before = told.frames.size();
        toy::push(*stream, &samples[at], surely - 1, told);
        at += surely - 1;
        CHECK_EQUAL(told.frames.size(), before);
      }
      toy::push(*stream, &samples[at++], 1, told);
    }
    CHECK(told.frames.size() > 10);
  }
}
