// A running stream allocates nothing: every way to ask for memory counts.
#include <atomic>
#include <cstdlib>
#include <new>

#include "check.hpp"
#include "toy_core.hpp"

namespace {

std::atomic<long> allocations = 0;

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  const std::size_t whole = (size + alignment - 1) / alignment * alignment;
  void* const memory = alignment > alignof(std::max_align_t) ? std::aligned_alloc(alignment, whole)
                                                             : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size, 1); }
void* operator new[](std::size_t size) { return counted(size, 1); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

using namespace edgeser;

TEST(allocation_none_while_a_stream_runs) {
  StreamOptions options;
  options.rules = UtteranceRules{.speech = 0.4, .onset = 0.03, .hangover = 0.05, .longest = 0.5};
  for (const int rate : {8000, 11025}) {
    const auto stream = toy::stream(toy::core(), rate, options);
    Workspace scratch(*toy::core(), 1);
    const std::vector<float> samples = toy::sound(3, 120'000);
    Stream* const one = stream.get();
    std::size_t frames = 0, events = 0;
    const long before = allocations;
    for (std::size_t at = 0; at + 1200 <= samples.size(); at += 1200) {
      const Chunk chunk = toy::chunk(&samples[at], 1200);
      Turn turn(*toy::core(), &one, &chunk, 1, Stream::Kind::process, scratch);
      turn.run();
      turn.finish();
      frames += stream->results().frames.size();
      events += stream->results().events.size();
    }
    {
      Turn turn(*toy::core(), &one, nullptr, 1, Stream::Kind::flush, scratch);
      turn.run();
      turn.finish();
    }
    CHECK_EQUAL(allocations - before, 0);
    CHECK(frames > 600 && events > 10);
  }
}

TEST(allocation_of_a_long_call_is_given_back) {
  const auto stream = toy::stream(toy::core());
  Workspace scratch(*toy::core(), 1);
  const std::vector<float> samples = toy::sound(3, 120'000);
  Stream* const one = stream.get();
  const auto push = [&](std::size_t count) {
    const long before = allocations;
    const Chunk chunk = toy::chunk(samples.data(), count);
    Turn turn(*toy::core(), &one, &chunk, 1, Stream::Kind::process, scratch);
    turn.run();
    turn.finish();
    return allocations - before;
  };
  CHECK(push(120'000) > 0);  // the counter counts
  push(100);
  CHECK_EQUAL(push(100), 0);
  CHECK(stream->results().frames.capacity() < 20);
}
