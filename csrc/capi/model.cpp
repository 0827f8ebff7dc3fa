// edgeser_model_*: opening a bundle, and what it says.
#include <cmath>

#include "bundle/front_end.hpp"
#include "capi/guard.hpp"
#include "capi/handles.hpp"

#define EDGESER_TEXT(x) #x
#define EDGESER_DOTTED(a, b, c) EDGESER_TEXT(a) "." EDGESER_TEXT(b) "." EDGESER_TEXT(c)

namespace edgeser {
namespace {

VqFusionWeights fusion_weights(const Bundle& bundle) {
  const Sizes& s = bundle.manifest.sizes;
  const std::size_t latent = s.positions * s.code_width;
  return {s.codes,
          s.code_width,
          s.positions,
          s.deep,
          s.width,
          bundle.tensor("vq.codebook", {s.codes, s.code_width}),
          bundle.tensor("vq.deep_weight", {s.deep, s.width}),
          bundle.tensor("vq.latent_weight", {latent, s.width}),
          bundle.tensor("vq.bias", {s.width})};
}

TacnWeights tacn_weights(const Bundle& bundle) {
  const Sizes& s = bundle.manifest.sizes;
  const std::size_t outputs = bundle.manifest.labels.size();
  const std::vector<std::size_t> square{s.layers, s.width, s.width};
  return {s.layers,
          s.width,
          s.taps,
          outputs,
          s.heads,
          bundle.tensor("tacn.query", square),
          bundle.tensor("tacn.key", square),
          bundle.tensor("tacn.value", square),
          bundle.tensor("tacn.output", square),
          bundle.tensor("tacn.taps", {s.layers, s.taps, s.width, s.width}),
          bundle.tensor("tacn.bias", {s.layers, s.width}),
          bundle.tensor("head.weight", {s.width, outputs}),
          bundle.tensor("head.bias", {outputs})};
}

std::vector<std::size_t> dilations(const Sizes& sizes) {
  std::vector<std::size_t> result;
  for (std::size_t n = 0; n < sizes.layers; ++n) result.push_back(std::size_t{1} << n);
  return result;
}

// `name` is what errors call the bundle. Whatever is wrong, if only for a kernel, the bundle is.
void open(const std::string& name, std::string_view bytes, edgeser_model** model) try {
  *model = new edgeser_model{std::make_shared<const Model>(parse_bundle(bytes))};
} catch (const Error& error) {
  throw BundleError(name + ": " + error.what());
}

const edgeser::Model* of(const edgeser_model* model) {
  return model ? model->model.get() : nullptr;
}

const char* text_at(const std::vector<std::string>& texts, std::size_t index) {
  return index < texts.size() ? texts[index].c_str() : nullptr;
}

}  // namespace

Model::Model(Bundle bundle)
    : fusion(find_level(nullptr), fusion_weights(bundle)),
      tacn(find_level(nullptr), tacn_weights(bundle), dilations(bundle.manifest.sizes)),
      reader(native_front_end(bundle, find_level(nullptr))),
      manifest(std::move(bundle.manifest)),
      hash(bundle.hash),
      hash_hex(hex(bundle.hash)),
      front_end(std::move(bundle.front_end)) {}

std::int32_t decide(const Manifest& manifest, const float* log_probabilities, float speech) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < manifest.labels.size(); ++i) {
    if (log_probabilities[i] > log_probabilities[best]) best = i;
  }
  const bool heard = speech >= manifest.thresholds.speech &&
                     std::exp(double{log_probabilities[best]}) >= manifest.thresholds.confidence;
  return heard ? static_cast<std::int32_t>(best) : EDGESER_NO_LABEL;
}

}  // namespace edgeser

using edgeser::guarded;
using edgeser::of;
using edgeser::require_pointer;
using edgeser::text_at;

const char* edgeser_version(void) {
  return EDGESER_DOTTED(EDGESER_VERSION_MAJOR, EDGESER_VERSION_MINOR, EDGESER_VERSION_PATCH);
}

const char* edgeser_status_name(edgeser_status status) {
  switch (status) {
    case EDGESER_OK:
      return "EDGESER_OK";
    case EDGESER_BAD_ARGUMENT:
      return "EDGESER_BAD_ARGUMENT";
    case EDGESER_BAD_BUNDLE:
      return "EDGESER_BAD_BUNDLE";
    case EDGESER_BAD_STATE:
      return "EDGESER_BAD_STATE";
    case EDGESER_BUSY:
      return "EDGESER_BUSY";
    case EDGESER_OUT_OF_MEMORY:
      return "EDGESER_OUT_OF_MEMORY";
    case EDGESER_INTERNAL:
      return "EDGESER_INTERNAL";
  }
  return "unknown";
}

edgeser_status edgeser_model_open(const char* path, edgeser_model** model, edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(model, "model");
    *model = nullptr;
    require_pointer(path, "path");
    edgeser::open(path, edgeser::read_bundle_file(path), model);
  });
}

edgeser_status edgeser_model_open_memory(const void* bytes, size_t size, edgeser_model** model,
                                         edgeser_error* error) {
  return guarded(error, [&] {
    require_pointer(model, "model");
    *model = nullptr;
    require_pointer(bytes, "bytes");
    edgeser::open("bytes", {static_cast<const char*>(bytes), size}, model);
  });
}

void edgeser_model_close(edgeser_model* model) { delete model; }

const char* edgeser_model_name(const edgeser_model* model) {
  return model ? of(model)->manifest.name.c_str() : nullptr;
}

const char* edgeser_model_version(const edgeser_model* model) {
  return model ? of(model)->manifest.version.c_str() : nullptr;
}

const char* edgeser_model_hash(const edgeser_model* model) {
  return model ? of(model)->hash_hex.c_str() : nullptr;
}

const char* edgeser_model_licence(const edgeser_model* model) {
  return model ? of(model)->manifest.licence.c_str() : nullptr;
}

size_t edgeser_model_notice_count(const edgeser_model* model) {
  return model ? of(model)->manifest.notices.size() : 0;
}

const char* edgeser_model_notice(const edgeser_model* model, size_t index) {
  return model ? text_at(of(model)->manifest.notices, index) : nullptr;
}

size_t edgeser_model_label_count(const edgeser_model* model) {
  return model ? of(model)->manifest.labels.size() : 0;
}

const char* edgeser_model_label(const edgeser_model* model, size_t index) {
  return model ? text_at(of(model)->manifest.labels, index) : nullptr;
}

size_t edgeser_model_sample_rate(const edgeser_model* model) {
  return model ? of(model)->manifest.sizes.sample_rate : 0;
}

size_t edgeser_model_segment(const edgeser_model* model) {
  return model ? of(model)->manifest.sizes.segment : 0;
}

size_t edgeser_model_hop(const edgeser_model* model) {
  return model ? of(model)->manifest.sizes.hop : 0;
}

size_t edgeser_model_deep_width(const edgeser_model* model) {
  return model ? of(model)->manifest.sizes.deep : 0;
}

size_t edgeser_model_positions(const edgeser_model* model) {
  return model ? of(model)->manifest.sizes.positions : 0;
}

size_t edgeser_model_code_width(const edgeser_model* model) {
  return model ? of(model)->manifest.sizes.code_width : 0;
}

size_t edgeser_model_receptive_field(const edgeser_model* model) {
  return model ? of(model)->tacn.receptive_field() : 0;
}

const void* edgeser_model_front_end(const edgeser_model* model, size_t* size) {
  if (size != nullptr) *size = model ? of(model)->front_end.size() : 0;
  return model ? of(model)->front_end.data() : nullptr;
}

float edgeser_model_level_initial(const edgeser_model* model) {
  return model ? static_cast<float>(of(model)->manifest.level_initial) : 0.0f;
}

const char* edgeser_model_simd(const edgeser_model* model) {
  return model ? of(model)->tacn.level().name : nullptr;
}

int32_t edgeser_model_decide(const edgeser_model* model, const float* log_probabilities,
                             float speech) {
  if (model == nullptr || log_probabilities == nullptr) return EDGESER_NO_LABEL;
  return edgeser::decide(of(model)->manifest, log_probabilities, speech);
}
