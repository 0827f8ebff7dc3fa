// edgeser_step: features of many streams to probabilities, all or nothing.
#include <cmath>

#include "capi/decode.hpp"
#include "capi/turn.hpp"
#include "tacn/undo.hpp"

namespace edgeser {
namespace {

void require_finite(const char* name, const float* values, std::size_t rows, std::size_t width) {
  for (std::size_t i = 0; i < rows * width; ++i) {
    if (std::isfinite(values[i])) continue;
    throw Error(std::string(name) + "[" + std::to_string(i / width) + "]: value " +
                std::to_string(i % width) + " is NaN or infinite; every value must be finite");
  }
}

void step(const Model& model, edgeser_state* const* states, std::size_t count, const float* deep,
          const float* latent, float* log_probabilities, float* speech) {
  const Turn turn(states, count);
  std::vector<std::byte*> blocks;
  for (std::size_t r = 0; r < count; ++r) {
    if (states[r]->model.get() != &model) {
      throw StatusError(EDGESER_BAD_STATE,
                        "states[" + std::to_string(r) + "] was opened for another model");
    }
    blocks.push_back(states[r]->block.data());
  }
  const VqFusion& fusion = model.fusion;
  const Tacn& tacn = model.tacn;
  require_finite("deep", deep, count, fusion.deep_width());
  require_finite("latent", latent, count, fusion.positions() * fusion.code_width());

  std::vector<float> tokens(count * tacn.width());
  std::vector<std::int32_t> codes(count * fusion.positions());
  std::vector<float> logits(count * tacn.outputs());
  const std::size_t kept_bytes = undo_bytes(tacn.plan(), 1);
  std::vector<std::byte> kept(count * kept_bytes);
  fusion.fuse(deep, latent, count, tokens.data(), codes.data());
  for (std::size_t r = 0; r < count; ++r) {
    keep_for_undo(tacn.plan(), blocks[r], 1, &kept[r * kept_bytes]);
  }
  tacn.step(tokens.data(), blocks.data(), nullptr, count, logits.data());

  // Features that are finite but absurd can overflow inside the model, and would stay in the rings.
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (std::isfinite(logits[i])) continue;
    for (std::size_t r = 0; r < count; ++r) {
      undo(tacn.plan(), blocks[r], &kept[r * kept_bytes], kept_bytes);
    }
    throw Error("the features in row " + std::to_string(i / tacn.outputs()) +
                " are too large for the model; they do not come from its front end");
  }
  const std::size_t labels = tacn.outputs() - 1;
  for (std::size_t r = 0; r < count; ++r) {
    decode(&logits[r * tacn.outputs()], labels,
           log_probabilities ? log_probabilities + r * labels : nullptr,
           speech ? speech + r : nullptr);
  }
}

}  // namespace
}  // namespace edgeser

edgeser_status edgeser_step(const edgeser_model* model, edgeser_state* const* states, size_t count,
                            const float* deep, const float* latent, float* log_probabilities,
                            float* speech, edgeser_error* error) {
  return edgeser::guarded(error, [&] {
    edgeser::require_pointer(model, "model");
    if (count == 0) return;
    edgeser::require_pointer(states, "states");
    edgeser::require_pointer(deep, "deep");
    edgeser::require_pointer(latent, "latent");
    edgeser::step(*model->model, states, count, deep, latent, log_probabilities, speech);
  });
}
