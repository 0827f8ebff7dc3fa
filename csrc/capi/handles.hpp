#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "bundle/bundle.hpp"
#include "edgeser.h"
#include "front_end/front_end.hpp"
#include "tacn/tacn.hpp"
#include "vq_fusion/vq_fusion.hpp"

namespace edgeser {

// A bundle ready to run. Immutable, and shared by all states made of it.
struct Model {
  explicit Model(Bundle bundle);

  // Made of the bundle's tensors, before the rest of it moves to below.
  VqFusion fusion;
  Tacn tacn;
  std::unique_ptr<const FrontEnd> reader;  // null if the bundle does not tell its layers
  Manifest manifest;
  Digest hash;
  std::string hash_hex;
  std::string front_end;
};

// The index of the label by the bundle's thresholds, or EDGESER_NO_LABEL.
std::int32_t decide(const Manifest& manifest, const float* log_probabilities, float speech);

}  // namespace edgeser

// The two opaque types of edgeser.h.

struct edgeser_model {
  std::shared_ptr<const edgeser::Model> model;
};

struct edgeser_state {
  explicit edgeser_state(std::shared_ptr<const edgeser::Model> of)
      : model(std::move(of)), block(model->tacn.state_bytes()) {}

  std::shared_ptr<const edgeser::Model> model;
  std::vector<std::byte> block;        // see state.hpp
  mutable std::atomic_flag busy = {};  // a call is in it
};
