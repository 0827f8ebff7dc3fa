// Saved states: the input modifies a valid one, which gets a matching hash and is resumed. Either
// it is refused, or the stream works normally.
#include <cmath>
#include <vector>

#include "bundle/sha256.hpp"
#include "fuzz.hpp"
#include "stream/errors.hpp"
#include "toy_core.hpp"

using namespace edgeser;

namespace {

struct Saved {
  std::shared_ptr<const Core> core;
  std::vector<std::byte> bytes;
};

Saved make(bool plain, int rate, StreamOptions options) {
  const auto stream = toy::stream(toy::core(plain), rate, options);
  toy::Told told;
  toy::push(*stream, toy::sound(2, 9000), told);
  return {toy::core(plain), toy::saved(*stream)};
}

const std::vector<Saved>& saved() {
  static const std::vector<Saved> all = [] {
    StreamOptions every;
    every.new_speaker_after = 30;
    every.threshold = 0.6;
    every.rules = UtteranceRules{.speech = 0.4, .onset = 0.05, .hangover = 0.1, .longest = 1};
    StreamOptions still;
    still.adapt = false;
    still.every_hop = true;
    return std::vector<Saved>{make(false, 8000, {}), make(false, 11025, every),
                              make(true, 8000, still)};
  }();
  return all;
}

void seal(std::vector<std::byte>& bytes) {
  const std::size_t body = bytes.size() - sizeof(Digest);
  const Digest digest = sha256({reinterpret_cast<const char*>(bytes.data()), body});
  std::memcpy(&bytes[body], digest.data(), sizeof digest);
}

void go_on(const Saved& from, const std::vector<std::byte>& bytes) {
  const auto stream = toy::resumed(bytes, from.core);
  static const std::vector<float> more = toy::sound(4, 2000);
  toy::Told told;
  try {
    toy::push(*stream, more, told);
    toy::flush(*stream, told);
  } catch (const BackendError&) {  // the model itself overflows: reported and undone
  }
  for (const Frame& frame : told.frames) {
    fuzz::must(std::isfinite(frame.level) && std::isfinite(frame.speech), "frames are finite");
    fuzz::must(frame.confidence >= 0 && frame.confidence <= 1.0001f, "a share is in [0, 1]");
    fuzz::must(std::isfinite(frame.time) && frame.time >= 0, "time is a number");
  }
  for (const Event& event : told.events) {
    fuzz::must(event.start <= event.end, "an utterance ends after its start");
    fuzz::must(event.verdict.confidence <= 1.01f, "a verdict's confidence is a share");
  }
  fuzz::must(stream->verdict().confidence <= 1.01f, "a verdict's confidence is a share");
  fuzz::must(saved_size(*stream) == bytes.size(), "the size never changes");
  const auto again = toy::saved(*stream);
  try {
    fuzz::must(toy::saved(*toy::resumed(again, from.core)) == again, "it is saved as it was");
  } catch (const StateError& error) {
    fuzz::must(false, error.what());  // it must accept its own state
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Saved& from = saved()[data[0] % saved().size()];
  std::vector<std::byte> bytes = from.bytes;
  if ((data[0] & 0x80) != 0) {  // changes the bytes themselves
    bytes.assign(reinterpret_cast<const std::byte*>(data) + 1,
                 reinterpret_cast<const std::byte*>(data) + size);
  } else {
    fuzz::Input input(data + 1, size - 1);
    while (input.left() > 0) {
      const std::size_t at = input.take<std::uint16_t>() % bytes.size();
      const std::size_t count =
          std::min<std::size_t>(1 + input.take<std::uint8_t>() % 8, bytes.size() - at);
      const auto value = input.take<std::uint64_t>();
      std::memcpy(&bytes[at], &value, count);
    }
    seal(bytes);
  }
  try {
    go_on(from, bytes);
  } catch (const StateError&) {
  }
  return 0;
}
