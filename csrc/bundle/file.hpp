#pragma once

#include <string>

namespace edgeser {

// The bytes of a bundle. `path` is UTF-8. Throws BundleError, which names the path, if they cannot
// be had, or the path leads to anything but a file. Never waits for anybody, as for the writer of a
// pipe.
std::string read_bundle_file(const std::string& path);

}  // namespace edgeser
