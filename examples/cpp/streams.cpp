// Streams side by side, and one handed over in the middle.
//
//     streams MODEL.edgeser RATE STREAM.f32...
//
// Each file is one stream: mono samples, float32. They are heard a tenth of a second after another,
// as they would come in; one line for each of a stream's frames.
#include <edgeser.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// What a C++ program wraps around the C API: errors become exceptions, handles close themselves.
class Error : public std::runtime_error {
 public:
  Error(edgeser_status status, const edgeser_error& error)
      : std::runtime_error(error.message), status(status) {}
  edgeser_status status;
};

template <class Function, class... Arguments>
void call(Function function, Arguments... arguments) {
  edgeser_error error;
  const edgeser_status status = function(arguments..., &error);
  if (status != EDGESER_OK) throw Error(status, error);
}

struct Close {
  void operator()(edgeser_model* model) const { edgeser_model_close(model); }
  void operator()(edgeser_stream* stream) const { edgeser_stream_close(stream); }
};
using Model = std::unique_ptr<edgeser_model, Close>;
using Handle = std::unique_ptr<edgeser_stream, Close>;

Model open_model(const char* path) {
  edgeser_model* model;
  call(edgeser_model_open, path, &model);
  return Model(model);
}

Handle open_stream(const Model& model, std::size_t rate) {
  edgeser_stream* stream;
  call(edgeser_stream_open, model.get(), rate, nullptr, &stream);
  return Handle(stream);
}

// What another process, or another machine, would do with the bytes.
Handle hand_over(const Model& model, const Handle& from) {
  std::vector<char> bytes(edgeser_stream_saved_size(from.get()));
  call(edgeser_stream_save, from.get(), static_cast<void*>(bytes.data()), bytes.size());
  edgeser_stream* to;
  call(edgeser_stream_resume, model.get(), static_cast<const void*>(bytes.data()), bytes.size(),
       nullptr, &to);
  return Handle(to);
}

struct Stream {
  std::string name;
  std::vector<float> samples;
  Handle handle;
};

std::vector<float> read_floats(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error(std::string(path) + ": cannot be read");
  std::vector<float> values(static_cast<std::size_t>(file.tellg()) / sizeof(float));
  file.seekg(0);
  file.read(reinterpret_cast<char*>(values.data()),
            static_cast<std::streamsize>(values.size() * sizeof(float)));
  return values;
}

// Frames with room for their probabilities.
struct Results {
  std::vector<edgeser_frame> frames;
  std::vector<float> probabilities;
  edgeser_results raw{};

  Results(const Model& model, std::size_t most)
      : frames(most), probabilities(most * edgeser_model_label_count(model.get())) {
    raw.frames = frames.data();
    raw.probabilities = probabilities.data();
    raw.frame_room = most;
  }
};

void print(const Model& model, const Stream& stream, const Results& results) {
  const std::size_t labels = edgeser_model_label_count(model.get());
  for (std::size_t n = 0; n < results.raw.frame_count; ++n) {
    const edgeser_frame& frame = results.frames[n];
    const char* const label =
        frame.label < 0 ? "-" : edgeser_model_label(model.get(), static_cast<size_t>(frame.label));
    std::printf("%s %.3f %s", stream.name.c_str(), frame.time, label);
    for (std::size_t i = 0; i < labels; ++i) {
      std::printf(" %.6f", static_cast<double>(results.probabilities[n * labels + i]));
    }
    std::printf(" %.6f\n", static_cast<double>(frame.speech));
  }
}

int main(int argc, char** argv) try {
  if (argc < 4) throw std::runtime_error("usage: streams MODEL.edgeser RATE STREAM.f32...");
  const Model model = open_model(argv[1]);
  const std::size_t rate = std::stoul(argv[2]), part = rate / 10;
  std::vector<Stream> streams;
  std::size_t longest = 0;
  for (int i = 3; i < argc; ++i) {
    streams.push_back({argv[i], read_floats(argv[i]), open_stream(model, rate)});
    longest = std::max(longest, streams.back().samples.size());
  }
  for (std::size_t at = 0; at < longest; at += part) {
    if (at == 20 * part) streams[0].handle = hand_over(model, streams[0].handle);
    for (const Stream& stream : streams) {
      if (at >= stream.samples.size()) continue;
      const std::size_t count = std::min(part, stream.samples.size() - at);
      Results results(model, edgeser_stream_most_frames(stream.handle.get(), count));
      call(edgeser_stream_process, stream.handle.get(), &stream.samples[at], count, std::size_t{1},
           &results.raw);
      print(model, stream, results);
    }
  }
  return EXIT_SUCCESS;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return EXIT_FAILURE;
}
