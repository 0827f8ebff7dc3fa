#pragma once

#include <memory>
#include <string>

#include "bundle/bundle.hpp"
#include "edgeser.h"
#include "stream/core.hpp"
#include "stream/stream.hpp"
#include "stream/workspace.hpp"

namespace edgeser {

// A loaded bundle. Immutable; all its streams share it.
struct Model {
  explicit Model(Bundle bundle);

  std::shared_ptr<const Core> core;
  Manifest manifest;
  std::string hash;  // hex digits
};

}  // namespace edgeser

// The two opaque types of edgeser.h.

struct edgeser_model {
  std::shared_ptr<const edgeser::Model> model;
};

struct edgeser_stream {
  explicit edgeser_stream(std::shared_ptr<edgeser::Stream> made)
      : stream(std::move(made)), scratch(stream->core(), 1) {}

  std::shared_ptr<edgeser::Stream> stream;
  edgeser::Workspace scratch;
};
