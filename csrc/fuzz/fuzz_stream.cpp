// The stream core: any sequence of calls on three streams of one model, alone and together, with
// bad input in between. Each has a twin that receives the same audio in other chunks.
#include <cmath>
#include <limits>
#include <vector>

#include "fuzz.hpp"
#include "stream/errors.hpp"
#include "toy_core.hpp"

using namespace edgeser;

namespace {

constexpr std::size_t streams = 3;
constexpr int rates[streams] = {8000, 11025, 44100};

struct Twins {
  std::shared_ptr<Stream> one, twin;
  toy::Told heard, twins;
};

StreamOptions options_of(std::uint8_t bits) {
  StreamOptions options;
  options.adapt = (bits & 1) != 0;
  if ((bits & 2) != 0) options.new_speaker_after = 0.5;
  options.every_hop = (bits & 16) != 0;
  if ((bits & 4) != 0) {
    options.rules = UtteranceRules{
        .speech = 0.4, .onset = 0.05, .hangover = 0.1, .longest = 1, .reset = (bits & 8) != 0};
  }
  return options;
}

std::vector<float> sound(fuzz::Input& input) {
  const std::size_t count = 1 + input.take<std::uint16_t>() % 3000;
  const auto kind = input.take<std::uint8_t>();
  std::vector<float> samples = toy::sound(input.take<std::uint8_t>(), count);
  for (float& sample : samples) {
    if (kind % 8 == 0) sample = 0;
    if (kind % 8 == 1) sample = -0.0f;
    if (kind % 8 == 2) sample *= 1e-38f;                    // denormal
    if (kind % 8 == 3) sample = sample > 0 ? 1.0f : -1.0f;  // clipped
    if (kind % 8 == 4) sample = 0.5f;                       // DC
  }
  return samples;
}

// A call that fails must leave the stream as it was.
template <class Call>
void fails(Stream& stream, const Call& call) {
  const auto before = toy::saved(stream);
  try {
    call();
    fuzz::must(false, "bad input is named");
  } catch (const Error&) {
  }
  fuzz::must(toy::saved(stream) == before, "a call that fails changes nothing");
}

void bad(Stream& stream, std::uint8_t kind) {
  toy::Told told;
  std::vector<float> samples(100, 0.1f);
  constexpr float wrong[] = {std::numeric_limits<float>::quiet_NaN(),
                             std::numeric_limits<float>::infinity(), 1e30f, -32768};
  samples[kind % 100] = wrong[kind % 4];
  fails(stream, [&] { toy::push(stream, samples, told); });
  fails(stream, [&] { toy::push(stream, samples.data(), 0, told); });
  fails(stream, [&] { stream.skip(-1); });
}

void push(Twins& pair, const std::vector<float>& samples, std::size_t cut) {
  toy::push(*pair.one, samples, pair.heard);
  cut %= samples.size();
  if (cut > 0) toy::push(*pair.twin, samples.data(), cut, pair.twins);
  toy::push(*pair.twin, samples.data() + cut, samples.size() - cut, pair.twins);
}

// All three in one turn; their twins one by one.
void together(std::vector<Twins>& pairs, fuzz::Input& input) {
  static Workspace scratch(*toy::core(), 2);
  std::vector<std::vector<float>> sounds;
  Stream* of[streams];
  Chunk chunks[streams];
  for (std::size_t i = 0; i < streams; ++i) {
    sounds.push_back(sound(input));
    of[i] = pairs[i].one.get();
    chunks[i] = toy::chunk(sounds[i].data(), sounds[i].size());
  }
  {
    Turn turn(*toy::core(), of, chunks, streams, Stream::Kind::process, scratch);
    turn.run();
    if (input.take<std::uint8_t>() % 4 == 0)
      return;  // destroyed without finish: nothing has happened
    turn.finish();
  }
  for (std::size_t i = 0; i < streams; ++i) {
    pairs[i].heard.add(*pairs[i].one);
    toy::push(*pairs[i].twin, sounds[i], pairs[i].twins);
  }
}

void step(std::vector<Twins>& pairs, fuzz::Input& input) {
  const auto code = input.take<std::uint8_t>();
  Twins& pair = pairs[code / 16 % streams];
  switch (code % 9) {
    case 0:
    case 1:
      push(pair, sound(input), input.take<std::uint16_t>());
      break;
    case 2:
      together(pairs, input);
      break;
    case 3:
      toy::flush(*pair.one, pair.heard);
      toy::flush(*pair.twin, pair.twins);
      break;
    case 4:
      pair.one->reset();
      pair.twin->reset();
      break;
    case 5:
      pair.one->new_speaker();
      pair.twin->new_speaker();
      break;
    case 6: {
      const auto bytes = toy::saved(*pair.one);
      pair.one = toy::resumed(bytes, toy::core());
      fuzz::must(toy::saved(*pair.one) == bytes, "it is saved as it was");
      break;
    }
    case 7:
      bad(*pair.one, input.take<std::uint8_t>());
      break;
    default: {
      const double seconds = input.take<std::uint16_t>() / 100.0;
      pair.one->skip(seconds);
      pair.twin->skip(seconds);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  std::vector<Twins> pairs(streams);
  for (std::size_t i = 0; i < streams; ++i) {
    const StreamOptions options = options_of(input.take<std::uint8_t>());
    pairs[i].one = toy::stream(toy::core(), rates[i], options);
    pairs[i].twin = toy::stream(toy::core(), rates[i], options);
  }
  for (int steps = 0; input.left() > 0 && steps < 60; ++steps) step(pairs, input);
  for (Twins& pair : pairs) {
    fuzz::must(toy::same(pair.heard, pair.twins), "how sound is cut into chunks never matters");
    fuzz::must(pair.heard.events.size() == pair.twins.events.size(), "nor for utterances");
    fuzz::must(toy::saved(*pair.one) == toy::saved(*pair.twin), "nor for what is remembered");
    for (const Frame& frame : pair.heard.frames) {
      fuzz::must(std::isfinite(frame.level) && std::isfinite(frame.speech), "frames are finite");
    }
  }
  return 0;
}
