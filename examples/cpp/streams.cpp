// Many streams in one batch, and a state handed over in the middle.
//
//     streams MODEL.edgeser STREAM.f32...
//
// Each file is one stream: segments of F deep features and P x D latent values, float32. Streams
// may be of any lengths: one that has ended is left out of the batch. One line a segment and
// stream.
#include <edgeser.h>

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
  void operator()(edgeser_state* state) const { edgeser_state_close(state); }
};
using Model = std::unique_ptr<edgeser_model, Close>;
using State = std::unique_ptr<edgeser_state, Close>;

Model open_model(const char* path) {
  edgeser_model* model;
  call(edgeser_model_open, path, &model);
  return Model(model);
}

State open_state(const Model& model) {
  edgeser_state* state;
  call(edgeser_state_open, model.get(), &state);
  return State(state);
}

// What another process, or another machine, would do with the bytes.
State hand_over(const Model& model, const State& from) {
  std::vector<char> bytes(edgeser_state_saved_size(from.get()));
  call(edgeser_state_save, from.get(), bytes.data(), bytes.size());
  State to = open_state(model);
  call(edgeser_state_load, to.get(), bytes.data(), bytes.size());
  return to;
}

struct Stream {
  std::string name;
  std::vector<float> features;
  State state;
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

// Step number `time` of all streams that go on until then, in one batch.
bool step(const Model& model, std::vector<Stream>& streams, std::size_t time) {
  const std::size_t width = edgeser_model_deep_width(model.get());
  const std::size_t latent_width =
      edgeser_model_positions(model.get()) * edgeser_model_code_width(model.get());
  const std::size_t labels = edgeser_model_label_count(model.get());

  std::vector<const Stream*> here;
  std::vector<edgeser_state*> states;
  std::vector<float> deep, latent;
  for (const Stream& stream : streams) {
    if (stream.features.size() < (time + 1) * (width + latent_width)) continue;
    const float* const row = stream.features.data() + time * (width + latent_width);
    here.push_back(&stream);
    states.push_back(stream.state.get());
    deep.insert(deep.end(), row, row + width);
    latent.insert(latent.end(), row + width, row + width + latent_width);
  }
  std::vector<float> log_probabilities(here.size() * labels), speech(here.size());
  call(edgeser_step, model.get(), states.data(), states.size(), deep.data(), latent.data(),
       log_probabilities.data(), speech.data());

  for (std::size_t r = 0; r < here.size(); ++r) {
    const float* const row = &log_probabilities[r * labels];
    const std::int32_t label = edgeser_model_decide(model.get(), row, speech[r]);
    std::printf("%s %zu %s", here[r]->name.c_str(), time,
                label < 0 ? "-" : edgeser_model_label(model.get(), static_cast<size_t>(label)));
    for (std::size_t i = 0; i < labels; ++i) std::printf(" %.6f", row[i]);
    std::printf(" %.6f\n", speech[r]);
  }
  return !here.empty();
}

int main(int argc, char** argv) try {
  if (argc < 3) throw std::runtime_error("usage: streams MODEL.edgeser STREAM.f32...");
  const Model model = open_model(argv[1]);
  std::vector<Stream> streams;
  for (int i = 2; i < argc; ++i) {
    streams.push_back({argv[i], read_floats(argv[i]), open_state(model)});
  }
  for (std::size_t time = 0; step(model, streams, time); ++time) {
    if (time == 5) streams[0].state = hand_over(model, streams[0].state);
  }
  return EXIT_SUCCESS;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return EXIT_FAILURE;
}
