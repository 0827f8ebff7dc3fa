#include "stream/turn.hpp"

#include <algorithm>
#include <string>

#include "stream/errors.hpp"

namespace edgeser {

Turn::Turn(const Core& core, Stream* const* streams, const Chunk* chunks, std::size_t count,
           Stream::Kind kind, Workspace& workspace, bool steps)
    : core_(core), streams_(streams), count_(count), workspace_(workspace), steps_(steps) {
  try {
    for (std::size_t i = 0; i < count; ++i) {
      if (&streams[i]->core() != &core) {
        throw StateError("stream " + std::to_string(i) +
                         " belongs to another model: make it with this one");
      }
      if (chunks == nullptr) continue;
      try {
        check_chunk(chunks[i], streams[i]->rate());
      } catch (const AudioError& error) {
        if (count == 1) throw;
        throw AudioError("stream " + std::to_string(i) + ": " + error.what());
      }
    }
    for (; held_ < count; ++held_) streams[held_]->hold();
    for (; begun_ < count; ++begun_) {
      const Chunk chunk = chunks != nullptr ? chunks[begun_] : Chunk{};
      streams[begun_]->begin(chunk, kind, steps && kind != Stream::Kind::calibrate);
    }
  } catch (...) {
    release();
    throw;
  }
}

Turn::~Turn() { release(); }

void Turn::release() noexcept {
  while (begun_ > 0) streams_[--begun_]->undo();
  while (held_ > 0) streams_[--held_]->release();
}

void Turn::expect(Next next) const {
  if (next_ == next) return;
  throw Error(
      "a turn goes segments, tokens or features, step or logits, and again: this is out "
      "of order");
}

std::size_t Turn::collect(std::size_t most) {
  expect(Next::collect);
  workspace_.batch.clear();
  workspace_.segments.clear();
  const std::size_t room = std::min(most, workspace_.rows);
  // Round-robin: a stream may have many segments, and has at most one in a batch.
  for (std::size_t seen = 0; seen < count_ && workspace_.batch.size() < room; ++seen) {
    if (at_ >= count_) at_ = 0;
    const std::size_t i = at_++;
    const float* const segment = streams_[i]->next_segment();
    if (segment == nullptr) continue;
    workspace_.levels[workspace_.batch.size()] = streams_[i]->level();
    workspace_.batch.push_back(i);
    workspace_.segments.push_back(segment);
  }
  if (workspace_.batch.empty()) {
    heard_all_ = room > 0 || count_ == 0;
  } else {
    next_ = Next::tokens;
  }
  return workspace_.batch.size();
}

std::size_t Turn::features(const float* deep, const float* latent, const float* levels) {
  expect(Next::tokens);
  core_.fusion.fuse(deep, latent, workspace_.batch.size(), workspace_.tokens.data(),
                    workspace_.codes.data());
  return tokens(workspace_.tokens.data(), levels);
}

std::size_t Turn::tokens(const float* tokens, const float* levels) {
  expect(Next::tokens);
  const std::size_t width = core_.sizes.width;
  workspace_.open.clear();
  for (std::size_t r = 0; r < workspace_.batch.size(); ++r) {
    const std::size_t i = workspace_.batch[r], open = workspace_.open.size();
    if (streams_[i]->take_token(tokens + r * width, levels[r], &workspace_.heard[open * width],
                                &workspace_.begins[open])) {
      workspace_.open.push_back(i);
    }
  }
  next_ = workspace_.open.empty() ? Next::collect : Next::logits;
  return workspace_.open.size();
}

void Turn::step() {
  expect(Next::logits);
  if (!steps_) throw Error("this turn's steps are somebody else's: give its logits");
  workspace_.rings.clear();
  for (const std::size_t i : workspace_.open) {
    workspace_.rings.push_back(streams_[i]->rings_to_step());
  }
  core_.tacn.step(workspace_.heard.data(), workspace_.rings.data(), nullptr, workspace_.open.size(),
                  workspace_.logits.data());
  logits(workspace_.logits.data());
}

void Turn::logits(const float* logits) {
  expect(Next::logits);
  for (std::size_t r = 0; r < workspace_.open.size(); ++r) {
    streams_[workspace_.open[r]]->take_logits(logits + r * core_.labels.size());
  }
  next_ = Next::collect;
}

void Turn::run() {
  if (core_.front_end == nullptr) {
    throw BackendError(
        "this bundle does not tell its front end's layers, so only its ONNX graph can read sound: "
        "run that in an ONNX runtime");
  }
  const std::size_t size = core_.sizes.segment, deep = core_.sizes.deep;
  const std::size_t latent = core_.sizes.positions * core_.sizes.code_width;
  Workspace& w = workspace_;
  while (const std::size_t rows = collect(w.rows)) {
    for (std::size_t first = 0; first < rows; first += Workspace::group) {
      const std::size_t count = std::min(Workspace::group, rows - first);
      const float* from = w.segments[first];
      if (count > 1) {
        for (std::size_t r = 0; r < count; ++r) {
          std::copy_n(w.segments[first + r], size, &w.together[r * size]);
        }
        from = w.together.data();
      }
      core_.front_end->read(from, &w.levels[first], count, &w.deep[first * deep],
                            &w.latent[first * latent], &w.levels[first]);
    }
    if (features(w.deep.data(), w.latent.data(), w.levels.data()) > 0) step();
  }
}

void Turn::conclude() {
  expect(Next::collect);
  if (!heard_all_) throw Error("this turn is not over: go on until there is no segment left");
  for (std::size_t i = 0; i < count_; ++i) streams_[i]->conclude();
  concluded_ = true;
}

void Turn::finish() {
  if (!concluded_) conclude();
  begun_ = 0;
}

}  // namespace edgeser
