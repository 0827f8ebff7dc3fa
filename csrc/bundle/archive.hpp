#pragma once

#include <map>
#include <string>
#include <string_view>

namespace edgeser {

// A zip whose members are stored as they are, as bundles are written: one record after another, a
// table of contents, and a comment of known length. That strictness is what a general zip library
// would not check, and without compression nothing else is left for one to do.
struct Archive {
  std::map<std::string, std::string_view> members;  // name to contents
  std::string_view comment;
};

// The members of `bytes`, which the result points into. `comment_bytes` is how long the zip comment
// must be. Throws BundleError for anything that is not as it would have been written.
Archive read_archive(std::string_view bytes, std::size_t comment_bytes);

// The name of a member as errors may tell it: others than ours can be any bytes.
std::string readable(std::string_view name);

}  // namespace edgeser
