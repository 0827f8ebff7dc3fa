// edgeser_stream_*: sound of any rate to frames, all or nothing.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "capi/decode.hpp"
#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/saved.hpp"
#include "resampler/resampler.hpp"
#include "tacn/undo.hpp"

namespace edgeser {
namespace {

constexpr std::size_t lowest_rate = 8000, highest_rate = 192000;
constexpr float largest_sample = 8;  // more is no sound in [-1, 1] that clips a little

}  // namespace

// What a stream knows but for the rings; small.
struct Past {
  std::vector<float> tail;           // the newest samples at the model's rate, a segment of them
  std::vector<std::byte> resampler;  // its state
  float level;                       // dBFS
  std::int64_t samples = 0;          // at the model's rate
  std::int64_t frames = 0;
};

}  // namespace edgeser

struct edgeser_stream {
  edgeser_stream(std::shared_ptr<const edgeser::Model> of, std::size_t sample_rate)
      : model(std::move(of)),
        resampler(model->tacn.level(), static_cast<int>(sample_rate),
                  static_cast<int>(model->manifest.sizes.sample_rate)),
        rings(model->tacn.state_bytes()),
        past(fresh()) {}

  edgeser::Past fresh() const {
    return {.tail = std::vector<float>(model->manifest.sizes.segment),
            .resampler = std::vector<std::byte>(resampler.state_bytes()),
            .level = static_cast<float>(model->manifest.level_initial)};
  }

  std::shared_ptr<const edgeser::Model> model;
  edgeser::Resampler resampler;
  std::vector<std::byte> rings;
  edgeser::Past past;
  std::atomic_flag busy = {};  // a call is in it
};

namespace edgeser {
namespace {

// One call's hold on a stream. Throws StatusError if another call is in it.
class Hold {
 public:
  explicit Hold(edgeser_stream* stream) : stream_(stream) {
    require_pointer(stream, "stream");
    if (stream->busy.test_and_set(std::memory_order_acquire)) {
      throw StatusError(EDGESER_BUSY,
                        "the stream is in another call: give it to one thread at a time");
    }
  }
  ~Hold() { stream_->busy.clear(std::memory_order_release); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  edgeser_stream* stream_;
};

void check_samples(const float* samples, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (std::abs(samples[i]) <= largest_sample) continue;  // never true of NaN
    throw Error("samples[" + std::to_string(i) +
                "] is not in [-1, 1]: divide 16-bit samples by 32768, and replace NaN by 0");
  }
}

// Where a call's frames go.
struct Room {
  edgeser_frame* frames;
  float* log_probabilities;  // may be null
  std::size_t size;
  std::size_t* made;
};

// Lets the stream hear `samples`, at the model's rate, and becomes what it then knows. If anything
// throws, the stream is as before.
void hear(edgeser_stream& stream, Past next, const std::vector<float>& samples, const Room& room) {
  const Model& model = *stream.model;
  const Sizes& sizes = model.manifest.sizes;
  const std::size_t labels = model.manifest.labels.size();
  std::vector<float> wave = next.tail;
  wave.insert(wave.end(), samples.begin(), samples.end());
  const auto hop = static_cast<std::int64_t>(sizes.hop);
  const auto first = static_cast<std::size_t>(hop - next.samples % hop);
  const std::size_t count = samples.size() < first ? 0 : 1 + (samples.size() - first) / sizes.hop;
  if (count > room.size) {
    throw Error("there is room for " + std::to_string(room.size) + " frames and " +
                std::to_string(count) + " would come: see edgeser_stream_most_frames");
  }
  if (count > 0) require_pointer(room.frames, "frames");

  std::vector<float> deep(sizes.deep), latent(sizes.positions * sizes.code_width);
  std::vector<float> token(sizes.width), logits(labels + 1);
  std::vector<std::int32_t> codes(sizes.positions);
  std::byte* rings = stream.rings.data();
  std::vector<std::byte> kept(undo_bytes(model.tacn.plan(), count));
  keep_for_undo(model.tacn.plan(), rings, count, kept.data());
  for (std::size_t n = 0; n < count; ++n) {
    const float* const segment = &wave[first + n * sizes.hop];
    model.reader->read(segment, &next.level, 1, deep.data(), latent.data(), &next.level);
    model.fusion.fuse(deep.data(), latent.data(), 1, token.data(), codes.data());
    model.tacn.step(token.data(), &rings, nullptr, 1, logits.data());
    if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); })) {
      undo(model.tacn.plan(), rings, kept.data(), kept.size());
      throw StatusError(EDGESER_BAD_BUNDLE,
                        "the model's results are not finite: its bundle is "
                        "broken, take another");
    }
    edgeser_frame& frame = room.frames[n];
    std::vector<float> logarithms(labels);
    decode(logits.data(), labels, logarithms.data(), &frame.speech);
    next.frames += 1;
    frame.time = static_cast<double>(next.frames * hop) / static_cast<double>(sizes.sample_rate);
    frame.label = decide(model.manifest, logarithms.data(), frame.speech);
    frame.level = next.level;
    if (room.log_probabilities != nullptr) {
      std::copy(logarithms.begin(), logarithms.end(), room.log_probabilities + n * labels);
    }
  }
  next.samples += static_cast<std::int64_t>(samples.size());
  next.tail.assign(wave.end() - static_cast<std::ptrdiff_t>(sizes.segment), wave.end());
  stream.past = std::move(next);
  *room.made = count;
}

constexpr SavedKind saved_stream{"EDGESTRM", "stream"};

// What a saved stream's block begins with; then come tail, resampler and rings.
struct SavedHead {
  std::int64_t rate;  // Hz
  std::int64_t samples;
  std::int64_t frames;
  float level;
  std::uint32_t zero = 0;
};
static_assert(sizeof(SavedHead) == 32);

std::size_t block_bytes(const edgeser_stream& stream) {
  return sizeof(SavedHead) + stream.past.tail.size() * sizeof(float) +
         stream.past.resampler.size() + stream.rings.size();
}

std::vector<std::byte> block_of(const edgeser_stream& stream) {
  const Past& past = stream.past;
  const SavedHead head{stream.resampler.rate_in(), past.samples, past.frames, past.level};
  std::vector<std::byte> block(block_bytes(stream));
  std::byte* at = block.data();
  const auto append = [&](const void* from, std::size_t bytes) {
    if (bytes > 0) std::memcpy(at, from, bytes);  // an empty vector has no address
    at += bytes;
  };
  append(&head, sizeof head);
  append(past.tail.data(), past.tail.size() * sizeof(float));
  append(past.resampler.data(), past.resampler.size());
  append(stream.rings.data(), stream.rings.size());
  return block;
}

// Makes the stream what a checked block says, or throws and leaves it.
void become(edgeser_stream& stream, const std::vector<std::byte>& block) {
  const std::byte* at = block.data();
  const auto take = [&](void* to, std::size_t bytes) {
    if (bytes > 0) std::memcpy(to, at, bytes);
    at += bytes;
  };
  SavedHead head;
  Past past = stream.fresh();
  std::vector<std::byte> rings(stream.rings.size());
  take(&head, sizeof head);
  take(past.tail.data(), past.tail.size() * sizeof(float));
  take(past.resampler.data(), past.resampler.size());
  take(rings.data(), rings.size());
  if (head.rate != stream.resampler.rate_in()) {
    refuse_saved("this stream was saved at " + std::to_string(head.rate) +
                 " Hz: load it into one " + "opened for that");
  }
  const auto hop = static_cast<std::int64_t>(stream.model->manifest.sizes.hop);
  const bool finite =
      std::isfinite(head.level) && std::all_of(past.tail.begin(), past.tail.end(),
                                               [](float sample) { return std::isfinite(sample); });
  if (head.samples < 0 || head.frames != head.samples / hop || head.zero != 0 || !finite) {
    refuse_saved("this stream contradicts itself");
  }
  try {
    stream.resampler.check_state(past.resampler.data());
  } catch (const Error& error) {
    refuse_saved(error.what());
  }
  check_rings(*stream.model, rings.data());
  past.level = head.level;
  past.samples = head.samples;
  past.frames = head.frames;
  stream.past = std::move(past);
  stream.rings = std::move(rings);
}

void forget(edgeser_stream& stream) {
  stream.past = stream.fresh();
  std::fill(stream.rings.begin(), stream.rings.end(), std::byte{0});
}

}  // namespace
}  // namespace edgeser

using edgeser::guarded;
using edgeser::Hold;
using edgeser::require_pointer;

edgeser_status edgeser_stream_open(const edgeser_model* model, size_t sample_rate,
                                   edgeser_stream** stream, edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(stream, "stream");
    *stream = nullptr;
    require_pointer(model, "model");
    if (model->model->reader == nullptr) {
      throw edgeser::StatusError(EDGESER_BAD_BUNDLE,
                                 "this bundle does not tell its front end's layers: run its ONNX "
                                 "graph (edgeser_model_front_end) and use edgeser_step");
    }
    if (sample_rate < edgeser::lowest_rate || sample_rate > edgeser::highest_rate) {
      throw edgeser::Error("sample_rate is " + std::to_string(sample_rate) +
                           " Hz: give 8000 to 192000");
    }
    *stream = new edgeser_stream(model->model, sample_rate);
  });
}

void edgeser_stream_close(edgeser_stream* stream) { delete stream; }

edgeser_status edgeser_stream_reset(edgeser_stream* stream, edgeser_error* error) {
  return guarded(error, [&] {
    const Hold hold(stream);
    edgeser::forget(*stream);
  });
}

size_t edgeser_stream_most_frames(const edgeser_stream* stream, size_t samples) {
  if (stream == nullptr) return 0;
  const edgeser::Sizes& sizes = stream->model->manifest.sizes;
  const double hops = static_cast<double>(samples) * static_cast<double>(sizes.sample_rate) /
                      static_cast<double>(stream->resampler.rate_in()) /
                      static_cast<double>(sizes.hop);
  return static_cast<std::size_t>(hops) + 2;
}

edgeser_status edgeser_stream_process(edgeser_stream* stream, const float* samples, size_t count,
                                      edgeser_frame* frames, float* log_probabilities, size_t room,
                                      size_t* made, edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(made, "made");
    *made = 0;
    const Hold hold(stream);
    if (count == 0) return;
    require_pointer(samples, "samples");
    edgeser::check_samples(samples, count);
    edgeser::Past next = stream->past;
    const edgeser::Resampler& resampler = stream->resampler;
    std::vector<float> heard(resampler.output_count(next.resampler.data(), count));
    resampler.process(samples, count, next.resampler.data(), heard.data());
    edgeser::hear(*stream, std::move(next), heard, {frames, log_probabilities, room, made});
  });
}

edgeser_status edgeser_stream_flush(edgeser_stream* stream, edgeser_frame* frames,
                                    float* log_probabilities, size_t room, size_t* made,
                                    edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(made, "made");
    *made = 0;
    const Hold hold(stream);
    edgeser::Past next = stream->past;
    const edgeser::Resampler& resampler = stream->resampler;
    std::vector<float> heard(resampler.flush_count(next.resampler.data()));
    resampler.flush(next.resampler.data(), heard.data());
    const std::size_t hop = stream->model->manifest.sizes.hop;
    const std::size_t over = (static_cast<std::size_t>(next.samples) + heard.size()) % hop;
    heard.resize(heard.size() + (over > 0 ? hop - over : 0));  // a partial hop, with zeros
    edgeser::hear(*stream, std::move(next), heard, {frames, log_probabilities, room, made});
    edgeser::forget(*stream);
  });
}

size_t edgeser_stream_saved_size(const edgeser_stream* stream) {
  return stream ? edgeser::saved_size(edgeser::block_bytes(*stream)) : 0;
}

edgeser_status edgeser_stream_save(edgeser_stream* stream, void* bytes, size_t size,
                                   edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(bytes, "bytes");
    const Hold hold(stream);
    edgeser::save_block(edgeser::saved_stream, *stream->model, edgeser::block_of(*stream), bytes,
                        size);
  });
}

edgeser_status edgeser_stream_load(edgeser_stream* stream, const void* bytes, size_t size,
                                   edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(bytes, "bytes");
    const Hold hold(stream);
    edgeser::become(*stream, edgeser::saved_block(edgeser::saved_stream, *stream->model,
                                                  edgeser::block_bytes(*stream), bytes, size));
  });
}
