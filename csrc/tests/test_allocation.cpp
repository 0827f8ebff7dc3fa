// A running stream neither allocates nor locks: every way to request memory is counted, and where
// possible every way to wait for another thread. Built with -DEDGESER_SANITIZE=realtime,
// RealtimeSanitizer checks both, and that no blocking system call is made.
#include <atomic>
#include <cmath>
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

#ifdef EDGESER_COUNT_LOCKS
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

#include <mutex>

namespace {

std::atomic<long> locks = 0;

}  // namespace

// These replace the C library's functions in this whole program.
#define COUNTED(name, type)                                                             \
  extern "C" int name(type* what) noexcept {                                            \
    static const auto real = reinterpret_cast<int (*)(type*)>(dlsym(RTLD_NEXT, #name)); \
    ++locks;                                                                            \
    return real(what);                                                                  \
  }
COUNTED(pthread_mutex_lock, pthread_mutex_t)
COUNTED(pthread_mutex_trylock, pthread_mutex_t)
COUNTED(pthread_rwlock_rdlock, pthread_rwlock_t)
COUNTED(pthread_rwlock_wrlock, pthread_rwlock_t)

TEST(allocation_locks_are_counted) {
  const long before = locks;
  std::mutex mutex;
  const std::lock_guard guard(mutex);
  CHECK_EQUAL(locks - before, 1);
}
#else
namespace {

constexpr long locks = 0;

}  // namespace
#endif

#if defined(__has_feature)
#if __has_feature(realtime_sanitizer)
#define NONBLOCKING [[clang::nonblocking]]
#endif
#endif
#ifndef NONBLOCKING
#define NONBLOCKING
#endif

using namespace edgeser;

namespace {

// A chunk, or the end of the recording if there is none.
void hear(const Core& core, Stream* stream, const Chunk* chunk, Workspace& scratch) NONBLOCKING {
  Turn turn(core, &stream, chunk, 1, chunk ? Stream::Kind::process : Stream::Kind::flush, scratch);
  turn.run();
  turn.finish();
}

}  // namespace

TEST(allocation_and_locks_none_while_a_stream_runs) {
  StreamOptions options;
  options.rules = UtteranceRules{.speech = 0.4, .onset = 0.03, .hangover = 0.05, .longest = 0.5};
  for (const int rate : {8000, 11025}) {
    const auto stream = toy::stream(toy::core(), rate, options);
    Workspace scratch(*toy::core(), 1);
    std::vector<float> samples = toy::sound(3, 120'000);
    for (std::size_t i = 80'000; i < 100'000; ++i) {  // audio that is skipped
      samples[i] = 0.01f * std::sin(0.3f * static_cast<float>(i));
    }
    std::size_t frames = 0, events = 0;
    const long before = allocations, locks_before = locks;
    for (std::size_t at = 0; at + 1200 <= samples.size(); at += 1200) {
      const Chunk chunk = toy::chunk(&samples[at], 1200);
      hear(*toy::core(), stream.get(), &chunk, scratch);
      frames += stream->results().frames.size();
      events += stream->results().events.size();
    }
    hear(*toy::core(), stream.get(), nullptr, scratch);
    CHECK_EQUAL(allocations - before, 0);
    CHECK_EQUAL(locks - locks_before, 0);
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
  CHECK(push(120'000) > 0);  // checks that the counter counts
  push(100);
  CHECK_EQUAL(push(100), 0);
  CHECK(stream->results().frames.capacity() < 20);
}
