#pragma once

#include <cstddef>

#include "stream/stream.hpp"
#include "stream/workspace.hpp"

namespace edgeser {

// One call over one or many streams of a core, all or nothing: see README.md here. The streams are
// held meanwhile. If it goes before `finish`, they are put back to what they were.
class Turn {
 public:
  // `chunks` (count) may be null for a flush. `steps`: the streams' own rings will be stepped.
  // Throws AudioError, StateError or BusyError, and then nothing has happened.
  Turn(const Core& core, Stream* const* streams, const Chunk* chunks, std::size_t count,
       Stream::Kind kind, Workspace& workspace, bool steps = true);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // The next segment of up to `most` streams, never more than the workspace has rows. Returns how
  // many; none: all is heard. Then, for each row: its stream's index, its segment and level.
  std::size_t collect(std::size_t most);
  std::size_t index(std::size_t row) const { return workspace_.batch[row]; }
  const float* segment(std::size_t row) const { return workspace_.segments[row]; }
  const float* levels() const { return workspace_.levels.data(); }

  // The features of the batch, (rows, F) and (rows, P, D), and its new levels; or its tokens (rows,
  // C). Returns how many gates are open. Then, for each of these: its stream's index, what the TACN
  // hears, and whether a sequence begins with it.
  std::size_t features(const float* deep, const float* latent, const float* levels);
  std::size_t tokens(const float* tokens, const float* levels);
  std::size_t open_index(std::size_t row) const { return workspace_.open[row]; }
  const float* heard() const { return workspace_.heard.data(); }
  const bool* begins() const { return workspace_.begins.get(); }

  // The TACN of these rows by the core's own kernel, or its logits (open rows, L) by another.
  void step();
  void logits(const float* logits);

  // All of it by the core's own kernels. Throws BackendError if the core has no front end.
  void run();

  // Ends what a flush ends, so that the results can be seen before `finish`, which does it
  // otherwise.
  void conclude();

  // Keeps what happened. Throws as the rest, before anything is kept. The streams stay held until
  // the turn goes, so that their results can be read.
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
