#include "bundle/bundle.hpp"

#include <filesystem>
#include <fstream>

#include "bundle/archive.hpp"
#include "bundle/bundle_error.hpp"

namespace edgeser {
namespace {

constexpr std::uintmax_t largest_bundle = std::uintmax_t{512} << 20;
constexpr std::size_t largest_manifest = std::size_t{1} << 20;
constexpr std::string_view comment_head = "edgeser sha256:";
constexpr std::size_t hex_digits = 64;

std::string_view member(const Archive& archive, const std::string& name) {
  const auto found = archive.members.find(name);
  if (found == archive.members.end()) throw BundleError("member " + name + " is missing");
  return found->second;
}

std::string_view checked_member(const Archive& archive, const Manifest& manifest,
                                const std::string& name) {
  const std::string_view bytes = member(archive, name);
  const MemberFacts& facts = manifest.members.at(name);
  if (bytes.size() != facts.bytes) {
    throw BundleError("member " + name + " has " + std::to_string(bytes.size()) +
                      " bytes; manifest.json says " + std::to_string(facts.bytes));
  }
  if (hex(sha256(bytes)) != facts.sha256) {
    throw BundleError("member " + name + " was altered (SHA-256 differs): fetch the bundle again");
  }
  return bytes;
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text;
  for (const std::size_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "(" + text + ")";
}

}  // namespace

const float* Bundle::tensor(const std::string& name, const std::vector<std::size_t>& shape) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) {
    throw BundleError("kernels.safetensors: tensor " + name + " is missing");
  }
  if (found->second.shape != shape) {
    throw BundleError("kernels.safetensors: " + name + " has shape " +
                      shape_text(found->second.shape) + "; the sizes in manifest.json ask for " +
                      shape_text(shape));
  }
  return found->second.values.data();
}

Bundle parse_bundle(std::string_view bytes) {
  const Archive archive = read_archive(bytes, comment_head.size() + hex_digits);
  for (const auto& [name, contents] : archive.members) {
    if (name != "manifest.json" && name != "frontend.onnx" && name != "kernels.safetensors") {
      throw BundleError("member '" + readable(name) + "' does not belong in a bundle");
    }
  }
  const std::string_view head = member(archive, "manifest.json");
  if (head.size() > largest_manifest) {
    throw BundleError("member manifest.json has " + std::to_string(head.size()) +
                      " bytes; at most " + std::to_string(largest_manifest) + " are allowed");
  }
  const Digest hash = sha256(head);
  if (archive.comment != std::string(comment_head) + hex(hash)) {
    throw BundleError(
        "manifest.json is not the one that this bundle was made with (its hash differs from that "
        "in the zip comment): fetch the bundle again");
  }
  Manifest manifest = parse_manifest(head);
  const std::string front_end(checked_member(archive, manifest, "frontend.onnx"));
  Tensors tensors = parse_tensors("kernels.safetensors",
                                  checked_member(archive, manifest, "kernels.safetensors"));
  return {std::move(manifest), hash, front_end, std::move(tensors)};
}

std::string read_bundle_file(const std::string& path) {
  const std::filesystem::path file(std::u8string(path.begin(), path.end()));
  const auto refuse = [&](const std::string& why) { throw BundleError(path + ": " + why); };
  std::error_code problem;
  const auto status = std::filesystem::status(file, problem);
  if (!std::filesystem::exists(status)) refuse("there is no such file");
  if (std::filesystem::is_directory(status)) {
    refuse("is a folder; a bundle is one file, NAME.edgeser");
  }
  const std::uintmax_t size = std::filesystem::file_size(file, problem);
  if (problem) refuse("cannot be read (" + problem.message() + ")");
  if (size > largest_bundle) {
    refuse("is " + std::to_string(size) + " bytes; a bundle has at most " +
           std::to_string(largest_bundle));
  }
  std::ifstream stream(file, std::ios::binary);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  if (!stream.read(bytes.data(), static_cast<std::streamsize>(size))) refuse("cannot be read");
  return bytes;
}

}  // namespace edgeser
