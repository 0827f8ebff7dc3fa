// The reader of bundles. Almost every change would fail the hash check and get no further, so the
// first byte selects what reads the rest: the whole reader, the manifest, the graph, the tensors;
// or a model with the manifest's sizes, which then processes audio.
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/archive.hpp"
#include "bundle/bundle.hpp"
#include "bundle/bundle_error.hpp"
#include "bundle/graph.hpp"
#include "fuzz.hpp"
#include "random.hpp"
#include "stream/errors.hpp"
#include "stream/turn.hpp"

using namespace edgeser;

namespace {

constexpr std::size_t most_values = std::size_t{1} << 18;

// Fills `tensor`; returns false if a model of that size would only be slow.
bool fill(Tensor& tensor, std::size_t& budget, Random& random) {
  std::size_t count = 1;
  for (const std::size_t side : tensor.shape) {
    if (side > budget) return false;
    count *= side;
    if (count > budget) return false;
  }
  budget -= count;
  tensor.values = random.floats(count, 0.3f);
  return true;
}

// A model of any sizes that the manifest may have, with random weights; the input chooses the
// shapes of its front end.
void model(std::string_view bytes) {
  const std::size_t end = std::min(bytes.find('\0'), bytes.size());
  Bundle bundle;
  bundle.manifest = parse_manifest(bytes.substr(0, end));
  const std::string_view rest = bytes.substr(std::min(end + 1, bytes.size()));
  fuzz::Input input(reinterpret_cast<const std::uint8_t*>(rest.data()), rest.size());
  Random random(1);
  std::size_t budget = most_values;
  const Sizes& s = bundle.manifest.sizes;
  if (s.segment > 1 << 14 || s.positions * s.code_width > 1 << 14) return;
  for (const auto& [name, shape] : tensor_shapes(s, bundle.manifest.labels.size())) {
    bundle.tensors[name].shape = shape;
    if (!fill(bundle.tensors[name], budget, random)) return;
  }
  for (const char* const name : {"speaker.deviation", "speaker.between"}) {
    for (float& value : bundle.tensors[name].values) value = 0.5f;
  }
  if (bundle.manifest.network) {
    for (const auto& [name, axes] : bundle.manifest.network->tensors()) {
      Tensor& tensor = bundle.tensors[name];
      for (std::size_t i = 0; i < axes; ++i) {
        const auto side = input.take<std::uint16_t>();
        tensor.shape.push_back(1 + side % 512);
      }
      if (!fill(tensor, budget, random)) return;
    }
  }
  const auto core = std::make_shared<const Core>(bundle);
  if (core->tacn.state_bytes() > 1 << 22 || core->front_end == nullptr) return;
  Stream stream(core, static_cast<long long>(s.sample_rate), {});
  Workspace scratch(*core, 1);
  const std::vector<float> sound = random.floats(s.segment + s.hop, 0.5f);
  const Chunk chunk{.data = reinterpret_cast<const std::byte*>(sound.data()),
                    .samples = sound.size()};
  Stream* const one = &stream;
  Turn turn(*core, &one, &chunk, 1, Stream::Kind::process, scratch);
  turn.run();
  turn.finish();
}

Sizes small_sizes() {
  Sizes s{};
  s.sample_rate = 8000;
  s.segment = 264;
  s.hop = 128;
  s.deep = 12;
  s.positions = 4;
  s.code_width = 8;
  return s;
}

void read(std::uint8_t part, std::string_view bytes) {
  switch (part % 5) {
    case 0:
      parse_bundle(bytes);
      break;
    case 1:
      parse_manifest(bytes);
      break;
    case 2:
      check_graph(bytes, small_sizes());
      break;
    case 3:
      parse_tensors("kernels.safetensors", bytes);
      break;
    default:
      model(bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    read(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  } catch (const Error& error) {  // an error of any kind, with a printable message
    const std::string_view said = error.what();
    fuzz::must(said.size() > 10 && said.size() < 4096, "an error says what is wrong, and ends");
    for (const char c : said) {
      fuzz::must(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "an error moves no cursor");
    }
  }
  return 0;
}
