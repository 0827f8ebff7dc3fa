#include "capi/saved.hpp"

#include <cmath>
#include <cstring>

#include "capi/guard.hpp"

namespace edgeser {
namespace {

constexpr std::uint32_t saved_format = 1;

struct Head {
  char magic[8] = {};
  std::uint32_t format = saved_format;
  std::uint32_t zero = 0;
  Digest model = {};
  std::uint64_t length = 0;
};
static_assert(sizeof(Head) == 56);

Head head_of(const SavedKind& kind, const Model& model, std::size_t block_bytes) {
  Head head{.model = model.hash, .length = block_bytes};
  std::memcpy(head.magic, kind.magic, sizeof head.magic);
  return head;
}

void check_size(const SavedKind& kind, std::size_t block_bytes, std::size_t size) {
  if (size == saved_size(block_bytes)) return;
  throw Error(std::string("a saved ") + kind.name + " of this model has " +
              std::to_string(saved_size(block_bytes)) + " bytes, not " + std::to_string(size) +
              ": see edgeser_" + kind.name + "_saved_size");
}

}  // namespace

void refuse_saved(const std::string& why) { throw StatusError(EDGESER_BAD_STATE, why); }

std::size_t saved_size(std::size_t block_bytes) {
  return sizeof(Head) + block_bytes + sizeof(Digest);
}

void save_block(const SavedKind& kind, const Model& model, const std::vector<std::byte>& block,
                void* bytes, std::size_t size) {
  check_size(kind, block.size(), size);
  const Head head = head_of(kind, model, block.size());
  char* const to = static_cast<char*>(bytes);
  const std::size_t body = sizeof head + block.size();
  std::memcpy(to, &head, sizeof head);
  std::memcpy(to + sizeof head, block.data(), block.size());
  const Digest digest = sha256({to, body});
  std::memcpy(to + body, digest.data(), sizeof digest);
}

std::vector<std::byte> saved_block(const SavedKind& kind, const Model& model,
                                   std::size_t block_bytes, const void* from, std::size_t size) {
  check_size(kind, block_bytes, size);
  const char* const bytes = static_cast<const char*>(from);
  const std::string name = kind.name;
  Head head;
  const Head wanted = head_of(kind, model, block_bytes);
  std::memcpy(&head, bytes, sizeof head);
  if (std::memcmp(head.magic, wanted.magic, sizeof head.magic) != 0) {
    refuse_saved("these bytes are not a saved " + name + ": pass what edgeser_" + name +
                 "_save wrote");
  }
  if (head.format > saved_format) {
    refuse_saved("this " + name + " has format " + std::to_string(head.format) +
                 ", made by a newer edgeser; this one reads up to " + std::to_string(saved_format) +
                 ": upgrade edgeser");
  }
  const std::size_t body = size - sizeof(Digest);
  if (const Digest digest = sha256({bytes, body});
      std::memcmp(digest.data(), bytes + body, sizeof digest) != 0) {
    refuse_saved("this " + name + " is damaged (its SHA-256 does not match): save it again");
  }
  if (head.model != model.hash) {
    refuse_saved("this " + name + " belongs to model " + hex(head.model).substr(0, 12) +
                 " and this model is " + model.hash_hex.substr(0, 12) +
                 ": load it with the bundle that it was saved with");
  }
  if (std::memcmp(&head, &wanted, sizeof head) != 0) {
    refuse_saved("this " + name + " contradicts itself");
  }
  std::vector<std::byte> block(block_bytes);
  std::memcpy(block.data(), bytes + sizeof head, block.size());
  return block;
}

void check_rings(const Model& model, std::byte* rings) {
  try {
    model.tacn.check_states(&rings, 1);
  } catch (const Error& error) {
    refuse_saved(error.what());
  }
  for (std::size_t at = state_header_bytes; at < model.tacn.state_bytes(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, rings + at, sizeof value);
    if (!std::isfinite(value)) refuse_saved("this state holds NaN or infinite values");
  }
}

}  // namespace edgeser
