#include "bundle/archive.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>

#include "bundle/bundle_error.hpp"

namespace edgeser {
namespace {

const std::string again = "take a file NAME.edgeser, or fetch this one again";

static_assert(std::endian::native == std::endian::little, "zips and safetensors are little-endian");

// A zip record (APPNOTE.TXT 4.3): a signature, then fields at fixed offsets.
class Record {
 public:
  Record(std::string_view bytes, std::size_t at, std::size_t size, const char* signature) {
    if (at > bytes.size() || bytes.size() - at < size ||
        bytes.compare(at, 4, std::string_view(signature, 4)) != 0) {
      throw BundleError("is not a bundle, or was cut short: " + again);
    }
    fields_ = bytes.substr(at, size);
  }
  std::size_t u16(std::size_t at) const { return number<std::uint16_t>(at); }
  std::size_t u32(std::size_t at) const { return number<std::uint32_t>(at); }

 private:
  template <class T>
  T number(std::size_t at) const {
    T value;
    std::memcpy(&value, fields_.data() + at, sizeof value);
    return value;
  }
  std::string_view fields_;
};

[[noreturn]] void refuse_ends() {
  throw BundleError("is not a bundle as it was written, its ends were cut off or added to: " +
                    again);
}

constexpr std::size_t local_bytes = 30, entry_bytes = 46, end_bytes = 22;

std::string_view member_at(std::string_view bytes, std::size_t at, std::string_view name,
                           std::size_t size, std::size_t contents) {
  const Record local(bytes, at, local_bytes, "PK\3\4");
  const std::size_t start = at + local_bytes + local.u16(26) + local.u16(28);
  if (local.u16(26) != name.size() || bytes.substr(at + local_bytes, name.size()) != name) {
    throw BundleError("member " + readable(name) + " is not where the table of contents says");
  }
  if (start > contents || contents - start < size) {
    throw BundleError("member " + readable(name) + " claims more bytes than the file has");
  }
  return bytes.substr(start, size);
}

}  // namespace

std::string readable(std::string_view name) {
  constexpr std::size_t most = 64;
  std::string text(name.substr(0, most));
  for (char& letter : text) {
    if (letter < ' ' || letter > '~') letter = '?';
  }
  return name.size() > most ? text + "..." : text;
}

Archive read_archive(std::string_view bytes, std::size_t comment_bytes) {
  if (bytes.size() < end_bytes + comment_bytes) {
    throw BundleError("is not a bundle, or was cut short: " + again);
  }
  const std::size_t end_at = bytes.size() - end_bytes - comment_bytes;
  const Record end(bytes, end_at, end_bytes, "PK\5\6");
  const std::size_t count = end.u16(10), contents = end.u32(16);
  if (end.u16(20) != comment_bytes || contents > end_at || end.u32(12) != end_at - contents) {
    refuse_ends();
  }
  Archive archive;
  archive.comment = bytes.substr(end_at + end_bytes);
  std::size_t at = contents, filled = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Record entry(bytes, at, entry_bytes, "PK\1\2");
    const std::size_t name_bytes = entry.u16(28);
    const std::size_t next = at + entry_bytes + name_bytes + entry.u16(30) + entry.u16(32);
    if (next > end_at) throw BundleError("its table of contents is damaged");
    const std::string name(bytes.substr(at + entry_bytes, name_bytes));
    if (entry.u16(8) & 1) throw BundleError("member " + readable(name) + " is encrypted");
    if (entry.u16(10) != 0 || entry.u32(20) != entry.u32(24)) {
      throw BundleError("member " + readable(name) + " is compressed; bundles store members as is");
    }
    const auto member = member_at(bytes, entry.u32(42), name, entry.u32(24), contents);
    if (!archive.members.emplace(name, member).second) {
      throw BundleError("member " + readable(name) + " is there twice");
    }
    if (entry.u32(42) != filled) refuse_ends();
    filled = static_cast<std::size_t>(member.data() - bytes.data()) + member.size();
    at = next;
  }
  if (filled != contents) refuse_ends();
  if (at != end_at) throw BundleError("its table of contents is damaged");
  return archive;
}

}  // namespace edgeser
