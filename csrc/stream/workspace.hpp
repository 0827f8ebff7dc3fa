#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "stream/core.hpp"
#include "stream/stream.hpp"

namespace edgeser {

// Scratch memory of a turn, for batches of up to `rows` streams. One turn at a time.
struct Workspace {
  // Segments that are packed for one call of the front end: few, so that they stay in cache.
  static constexpr std::size_t group = 4;

  // `features`: whether the core's own front end is used.
  Workspace(const Core& core, std::size_t rows, bool features = true)
      : rows(rows),
        together(features && rows > 1 ? std::min(rows, group) * core.sizes.segment : 0),
        deep(features ? rows * core.sizes.deep : 0),
        latent(features ? rows * core.sizes.positions * core.sizes.code_width : 0),
        tokens(rows * core.sizes.width),
        heard(rows * core.sizes.width),
        levels(rows),
        logits(rows * core.labels.size()),
        codes(rows * core.sizes.positions),
        begins(new bool[rows]) {
    batch.reserve(rows);
    open.reserve(rows);
    segments.reserve(rows);
    rings.reserve(rows);
  }

  std::size_t rows;
  std::vector<float> together;  // (group, segment)
  std::vector<float> deep, latent, tokens;
  std::vector<float> heard;  // (open rows, C)
  std::vector<float> levels, logits;
  std::vector<std::int32_t> codes;
  std::unique_ptr<bool[]> begins;        // (open rows)
  std::vector<std::size_t> batch, open;  // indices into the turn's streams
  std::vector<const float*> segments;    // of the batch
  std::vector<std::byte*> rings;         // of the open rows
};

// Lends one workspace to a turn of a stream or pool; a second turn at the same time makes another.
class Loan {
 public:
  Loan(const Core& core, Workspace& lent, std::atomic_flag& taken)
      : taken_(taken.test_and_set(std::memory_order_acquire) ? nullptr : &taken),
        own_(taken_ ? nullptr : std::make_unique<Workspace>(core, lent.rows)),
        workspace_(taken_ ? lent : *own_) {}
  ~Loan() {
    if (taken_) taken_->clear(std::memory_order_release);
  }
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;

  Workspace& operator*() const { return workspace_; }

 private:
  std::atomic_flag* taken_;
  std::unique_ptr<Workspace> own_;
  Workspace& workspace_;
};

}  // namespace edgeser
