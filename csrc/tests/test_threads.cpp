// Threads share a model, and a stream is in one call at a time; mainly for ThreadSanitizer.
#include <atomic>
#include <thread>

#include "check.hpp"
#include "stream/errors.hpp"
#include "toy_core.hpp"

using namespace edgeser;

namespace {

void push(Stream& stream, const std::vector<float>& samples, Workspace& scratch) {
  Stream* const one = &stream;
  const Chunk given = toy::chunk(samples.data(), samples.size());
  Turn turn(stream.core(), &one, &given, 1, Stream::Kind::process, scratch);
  turn.run();
  turn.finish();
}

}  // namespace

TEST(threads_on_one_core_give_the_same_bits) {
  const auto core = toy::core();
  std::vector<std::vector<std::byte>> left(6);
  std::vector<std::thread> threads;
  for (auto& bytes : left) {
    threads.emplace_back([&] {
      Workspace scratch(*core, 1);
      const auto stream = toy::stream(core, 11025);  // the resampler is shared, too
      const std::vector<float> samples = toy::sound(5, 900);
      for (int i = 0; i < 10; ++i) push(*stream, samples, scratch);
      bytes = toy::saved(*stream);
      const auto resumed = toy::resumed(bytes, core);
      if (toy::saved(*resumed) != bytes) bytes.clear();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& bytes : left) CHECK(!bytes.empty() && bytes == left[0]);
}

TEST(threads_that_meet_in_a_stream_are_told) {
  const auto core = toy::core();
  const auto stream = toy::stream(core, 8000);
  const std::vector<float> samples = toy::sound(5, 300);
  std::atomic<long> heard = 0, told = 0;
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  for (int n = 0; n < 3; ++n) {
    threads.emplace_back([&, n] {
      Workspace scratch(*core, 1);
      std::vector<std::byte> bytes(saved_size(*stream));
      for (int i = 0; i < 60; ++i) {
        try {
          if (n == 2 && i % 3 == 0) {
            stream->hold();
            save_stream(*stream, bytes.data());
            stream->release();
          } else {
            push(*stream, samples, scratch);
            heard += static_cast<long>(samples.size());
          }
        } catch (const BusyError&) {
          ++told;
        }
      }
    });
  }
  std::thread watcher([&] {  // functions that may be called at any time
    while (!done) {
      CHECK(stream->position() >= 0 && stream->until_frame() > 0);
      CHECK(saved_size(*stream) > 0 && (stream->speaking() || true));
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  done = true;
  watcher.join();
  CHECK_EQUAL(stream->memory().received, heard.load());
}
