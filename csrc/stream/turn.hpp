#pragma once

#include <cstddef>

#include "stream/stream.hpp"
#include "stream/workspace.hpp"

namespace edgeser {

// One call over one or more streams of a core, all or nothing: see README.md here. Holds the
// streams. If it is destroyed before `finish`, it restores their state.
class Turn {
 public:
  // `chunks` (count) may be null for a flush. `steps`: whether the streams' own rings will be
  // stepped. Throws AudioError, StateError or BusyError, without any change.
  Turn(const Core& core, Stream* const* streams, const Chunk* chunks, std::size_t count,
       Stream::Kind kind, Workspace& workspace, bool steps = true);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // Collects the next segments of up to `most` streams, limited by the workspace. Returns how many;
  // 0 at the end. The functions below give each row's stream index, segment and level.
  std::size_t collect(std::size_t most);
  std::size_t index(std::size_t row) const { return workspace_.batch[row]; }
  const float* segment(std::size_t row) const { return workspace_.segments[row]; }
  const float* levels() const { return workspace_.levels.data(); }

  // Takes the features of the batch, (rows, F) and (rows, P, D), and its new levels; or its tokens
  // (rows, C). Returns how many gates are open. The functions below give, for each of these, its
  // stream index, the TACN's input, and whether a sequence begins with it.
  std::size_t features(const float* deep, const float* latent, const float* levels);
  std::size_t tokens(const float* tokens, const float* levels);
  std::size_t open_index(std::size_t row) const { return workspace_.open[row]; }
  const float* heard() const { return workspace_.heard.data(); }
  const bool* begins() const { return workspace_.begins.get(); }

  // Steps the TACN of these rows with the core's kernel, or takes logits (open rows, L) from
  // another.
  void step();
  void logits(const float* logits);

  // All of the call with the core's kernels. Throws BackendError if the core has no front end.
  void run();

  // Ends what a flush ends. Optional: makes results visible before `finish`, which calls it
  // otherwise.
  void conclude();

  // Commits. Throws before anything is committed. The streams stay held until the turn is
  // destroyed, so that their results can be read.
  void finish();

 private:
  enum class Next { collect, tokens, logits };
  void expect(Next next) const;
  void release() noexcept;

  const Core& core_;
  Stream* const* streams_;
  std::size_t count_;
  Workspace& workspace_;
  bool steps_;
  std::size_t held_ = 0, begun_ = 0, at_ = 0;
  Next next_ = Next::collect;
  bool heard_all_ = false, concluded_ = false;
};

}  // namespace edgeser
