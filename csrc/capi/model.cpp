// edgeser_model_*: opens a bundle, and describes it.
#include "bundle/file.hpp"
#include "capi/guard.hpp"
#include "capi/handles.hpp"

#define EDGESER_TEXT(x) #x
#define EDGESER_DOTTED(a, b, c) EDGESER_TEXT(a) "." EDGESER_TEXT(b) "." EDGESER_TEXT(c)

namespace edgeser {
namespace {

// `name` is the bundle's name in messages. All errors become errors of the bundle, even those of
// kernels.
void open(const std::string& name, std::string_view bytes, edgeser_model** model) try {
  *model = new edgeser_model{std::make_shared<const Model>(parse_bundle(bytes, false))};
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
    : core(std::make_shared<const Core>(bundle)),
      manifest(std::move(bundle.manifest)),
      hash(hex(core->hash)) {}

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
  return model ? of(model)->hash.c_str() : nullptr;
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

size_t edgeser_model_width(const edgeser_model* model) {
  return model ? of(model)->manifest.sizes.width : 0;
}

size_t edgeser_model_receptive_field(const edgeser_model* model) {
  return model ? of(model)->core->tacn.receptive_field() : 0;
}

const char* edgeser_model_simd(const edgeser_model* model) {
  return model ? of(model)->core->tacn.level().name : nullptr;
}
