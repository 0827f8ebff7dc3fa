#include "bundle/file.hpp"

#include <cstdint>

#include "bundle/bundle_error.hpp"
#include "bundle/limits.hpp"

#ifdef _WIN32
#include <filesystem>
#include <fstream>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#endif

namespace edgeser {
namespace {

constexpr const char* folder = "is a folder; a bundle is one file, NAME.edgeser";
constexpr const char* no_file =
    "is a pipe, a device or a socket; a bundle is one file, NAME.edgeser";
constexpr const char* missing = "there is no such file";

std::size_t checked(std::uintmax_t size) {
  if (size <= limits::bundle_bytes) return static_cast<std::size_t>(size);
  throw BundleError("is " + std::to_string(size) + " bytes; a bundle has at most " +
                    std::to_string(limits::bundle_bytes));
}

#ifdef _WIN32

std::string read(const std::string& path) {
  const std::filesystem::path file(std::u8string(path.begin(), path.end()));
  std::error_code problem;
  const auto status = std::filesystem::status(file, problem);
  if (status.type() == std::filesystem::file_type::not_found) throw BundleError(missing);
  if (problem) throw BundleError("cannot be read (" + problem.message() + ")");
  if (std::filesystem::is_directory(status)) throw BundleError(folder);
  if (!std::filesystem::is_regular_file(status)) throw BundleError(no_file);
  const std::uintmax_t size = std::filesystem::file_size(file, problem);
  if (problem) throw BundleError("cannot be read (" + problem.message() + ")");
  std::string bytes(checked(size), '\0');
  std::ifstream stream(file, std::ios::binary);
  if (!stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw BundleError("cannot be read");
  }
  return bytes;
}

#else

[[noreturn]] void refuse(int problem) {
  if (problem == ENOENT || problem == ENOTDIR) throw BundleError(missing);
  if (problem == ENXIO) throw BundleError(no_file);  // a socket
  throw BundleError("cannot be read (" + std::generic_category().message(problem) + ")");
}

// The type is that of the open file: between a check of the path and its opening, something else
// could take its place. The opening waits for no writer of a pipe, and takes no terminal.
class Opened {
 public:
  explicit Opened(const std::string& path)
      : number_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)) {
    if (number_ < 0) refuse(errno);
  }
  ~Opened() { ::close(number_); }
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

  std::size_t size() const {
    struct stat status;
    if (::fstat(number_, &status) != 0) refuse(errno);
    if (S_ISDIR(status.st_mode)) throw BundleError(folder);
    if (!S_ISREG(status.st_mode)) throw BundleError(no_file);
    return checked(static_cast<std::uintmax_t>(status.st_size));
  }

  // How many came; fewer than `most` only at the end of the file.
  std::size_t read(char* into, std::size_t most) const {
    std::size_t came = 0;
    while (came < most) {
      const ::ssize_t some = ::read(number_, into + came, most - came);
      if (some == 0) break;
      if (some > 0) {
        came += static_cast<std::size_t>(some);
      } else if (errno != EINTR) {
        refuse(errno);
      }
    }
    return came;
  }

 private:
  int number_;
};

std::string read(const std::string& path) {
  const Opened file(path);
  std::string bytes(file.size(), '\0');
  if (file.read(bytes.data(), bytes.size()) < bytes.size()) {
    throw BundleError("became shorter while it was read: load it again");
  }
  return bytes;
}

#endif

}  // namespace

std::string read_bundle_file(const std::string& path) {
  if (const std::size_t nul = path.find('\0'); nul != path.npos) {
    throw BundleError(path.substr(0, nul) +
                      ": the path goes on after a NUL: no file has that name");
  }
  try {
    return read(path);
  } catch (const BundleError& error) {
    throw BundleError(path + ": " + error.what());
  }
}

}  // namespace edgeser
