// edgeser_stream_*: from audio to frames and utterances, with the core in stream/.
#include <algorithm>
#include <string>

#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/options.hpp"
#include "capi/results.hpp"
#include "stream/saved.hpp"
#include "stream/turn.hpp"

namespace edgeser {
namespace {

// Holds a stream for one call. Throws BusyError if another call is running.
class Hold {
 public:
  explicit Hold(edgeser_stream* stream) {
    require_pointer(stream, "stream");
    stream->stream->hold();
    stream_ = stream->stream.get();
  }
  ~Hold() { stream_->release(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  Stream* operator->() const { return stream_; }

 private:
  Stream* stream_;
};

const Core& runnable(const edgeser_model* model) {
  require_pointer(model, "model");
  const Core& core = *model->model->core;
  if (core.front_end != nullptr) return core;
  throw BundleError(
      "this bundle does not tell its front end's layers, and the C library runs no ONNX graph: "
      "take a bundle that was exported with them, or the Python package");
}

void clear(edgeser_results& results) {
  results.frame_count = 0;
  results.event_count = 0;
}

template <class T>
Chunk chunk_of(const T* samples, SampleType type, std::size_t count, std::size_t channels) {
  if (count > 0) require_pointer(samples, "samples");
  require(channels >= 1, "channels must be at least 1");
  return {.data = reinterpret_cast<const std::byte*>(samples),
          .type = type,
          .samples = count,
          .channels = channels,
          .sample_stride = static_cast<std::ptrdiff_t>(channels * sizeof(T)),
          .channel_stride = sizeof(T)};
}

// Processes a chunk, or the end of the stream if there is none; all or nothing.
void hear(edgeser_stream& handle, const Chunk* chunk, edgeser_results& results,
          edgeser_verdict* verdict, float* probabilities) {
  Stream* const stream = handle.stream.get();
  Turn turn(stream->core(), &stream, chunk, 1,
            chunk != nullptr ? Stream::Kind::process : Stream::Kind::flush, handle.scratch);
  turn.run();
  turn.conclude();
  check_room(*stream, results);
  turn.finish();
  write_results(*stream, results);
  if (verdict != nullptr) *verdict = verdict_of(stream->verdict());
  if (probabilities != nullptr) {
    std::copy(stream->verdict_probabilities().begin(), stream->verdict_probabilities().end(),
              probabilities);
  }
}

template <class T>
edgeser_status process(edgeser_stream* stream, const T* samples, SampleType type, std::size_t count,
                       std::size_t channels, edgeser_results* results, edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(results, "results");
    clear(*results);
    require_pointer(stream, "stream");
    const Chunk chunk = chunk_of(samples, type, count, channels);
    if (count > 0) return hear(*stream, &chunk, *results, nullptr, nullptr);
    const Hold hold(stream);  // no audio, but a concurrent call is still an error
  });
}

}  // namespace
}  // namespace edgeser

using edgeser::guarded;
using edgeser::Hold;
using edgeser::require_pointer;

edgeser_status edgeser_stream_open(const edgeser_model* model, size_t sample_rate,
                                   const edgeser_options* options, edgeser_stream** stream,
                                   edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(stream, "stream");
    *stream = nullptr;
    const edgeser::Core& core = edgeser::runnable(model);
    const auto rate = static_cast<long long>(
        sample_rate > edgeser::highest_rate ? edgeser::highest_rate + 1 : sample_rate);
    edgeser::check_rate(rate);
    *stream = new edgeser_stream(std::make_shared<edgeser::Stream>(
        model->model->core, rate, edgeser::options_from(core, options),
        edgeser::detector_from(options ? options->detector : nullptr)));
  });
}

void edgeser_stream_close(edgeser_stream* stream) { delete stream; }

edgeser_status edgeser_stream_process(edgeser_stream* stream, const float* samples, size_t count,
                                      size_t channels, edgeser_results* results,
                                      edgeser_error* error) {
  return edgeser::process(stream, samples, edgeser::SampleType::float32, count, channels, results,
                          error);
}

edgeser_status edgeser_stream_process_int16(edgeser_stream* stream, const int16_t* samples,
                                            size_t count, size_t channels, edgeser_results* results,
                                            edgeser_error* error) {
  return edgeser::process(stream, samples, edgeser::SampleType::int16, count, channels, results,
                          error);
}

edgeser_status edgeser_stream_flush(edgeser_stream* stream, edgeser_results* results,
                                    edgeser_verdict* verdict, float* probabilities,
                                    edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(results, "results");
    edgeser::clear(*results);
    require_pointer(stream, "stream");
    edgeser::hear(*stream, nullptr, *results, verdict, probabilities);
  });
}

size_t edgeser_stream_most_frames(const edgeser_stream* stream, size_t samples) {
  return stream ? stream->stream->most_frames(samples) : 0;
}

size_t edgeser_stream_until_frame(const edgeser_stream* stream) {
  return stream ? stream->stream->until_frame() : 0;
}

double edgeser_stream_position(const edgeser_stream* stream) {
  return stream ? stream->stream->position() : 0;
}

int edgeser_stream_speaking(const edgeser_stream* stream) {
  return stream && stream->stream->speaking() ? 1 : 0;
}

edgeser_status edgeser_stream_skip(edgeser_stream* stream, double seconds, edgeser_error* error) {
  return guarded(error, [&] { Hold(stream)->skip(seconds); });
}

edgeser_status edgeser_stream_reset(edgeser_stream* stream, edgeser_error* error) {
  return guarded(error, [&] { Hold(stream)->reset(); });
}

edgeser_status edgeser_stream_calibrate(edgeser_stream* stream, const float* samples, size_t count,
                                        size_t channels, edgeser_error* error) {
  return guarded(error, [&] {
    const Hold hold(stream);
    const edgeser::Chunk chunk =
        edgeser::chunk_of(samples, edgeser::SampleType::float32, count, channels);
    edgeser::StreamOptions options;
    options.every_hop = hold->options().every_hop;
    edgeser::Stream apart(hold->shared_core(), hold->rate(), options);
    edgeser::Stream* const one = &apart;
    edgeser::Turn turn(apart.core(), &one, &chunk, 1, edgeser::Stream::Kind::calibrate,
                       stream->scratch);
    turn.run();
    turn.finish();
    hold->calibrate(apart);
  });
}

edgeser_status edgeser_stream_new_speaker(edgeser_stream* stream, edgeser_error* error) {
  return guarded(error, [&] { Hold(stream)->new_speaker(); });
}

edgeser_status edgeser_stream_speaker(edgeser_stream* stream, float* utterances, float* weight,
                                      float* shift, edgeser_error* error) {
  return guarded(error, [&] {
    const Hold hold(stream);
    const edgeser::SpeakerMemory speaker = hold->speaker();
    if (utterances != nullptr) *utterances = *speaker.utterances;
    if (weight != nullptr) *weight = *speaker.weight;
    if (shift != nullptr) std::copy_n(speaker.shift, hold->core().sizes.width, shift);
  });
}

size_t edgeser_stream_saved_size(const edgeser_stream* stream) {
  return stream ? edgeser::saved_size(*stream->stream) : 0;
}

edgeser_status edgeser_stream_save(edgeser_stream* stream, void* bytes, size_t size,
                                   edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(bytes, "bytes");
    const Hold hold(stream);
    const std::size_t wanted = edgeser::saved_size(*stream->stream);
    if (size != wanted) {
      throw edgeser::Error("a saved stream of this model has " + std::to_string(wanted) +
                           " bytes, not " + std::to_string(size) +
                           ": see edgeser_stream_saved_size");
    }
    edgeser::save_stream(*stream->stream, static_cast<std::byte*>(bytes));
  });
}

edgeser_status edgeser_stream_resume(const edgeser_model* model, const void* bytes, size_t size,
                                     const edgeser_detector* detector, edgeser_stream** stream,
                                     edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(stream, "stream");
    *stream = nullptr;
    edgeser::runnable(model);
    require_pointer(bytes, "bytes");
    *stream = new edgeser_stream(
        edgeser::load_stream(model->model->core, bytes, size, edgeser::detector_from(detector)));
  });
}
