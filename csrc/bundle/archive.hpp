#pragma once

#include <map>
#include <string>
#include <string_view>

namespace edgeser {

// A zip with uncompressed members, exactly as bundles are written: records without gaps, a table of
// contents, and a comment of known length. General zip libraries do not check this strictly, and
// without compression there is nothing else for them to do.
struct Archive {
  std::map<std::string, std::string_view> members;  // name to contents
  std::string_view comment;
};

// The members of `bytes`; the result points into `bytes`. `comment_bytes` is the required length of
// the zip comment. Throws BundleError for anything that our writer would not write.
Archive read_archive(std::string_view bytes, std::size_t comment_bytes);

// A name for messages, shortened; foreign names can contain any bytes.
std::string readable(std::string_view name);

}  // namespace edgeser
