#include "bundle/bundle.hpp"

#include <set>

#include "bundle/archive.hpp"
#include "bundle/bundle_error.hpp"
#include "bundle/graph.hpp"
#include "bundle/limits.hpp"

namespace edgeser {
namespace {

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
  if (bytes.size() > facts.bytes) {
    throw BundleError("member " + name + " has " + std::to_string(bytes.size()) +
                      " bytes; at most " + std::to_string(facts.bytes) + " are allowed");
  }
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
  return "(" + text + (shape.size() == 1 ? ",)" : ")");
}

const std::string in_tensors = "kernels.safetensors: ";

void check_shape(const std::string& name, const std::vector<std::size_t>& has,
                 const std::vector<std::size_t>& wanted) {
  if (has == wanted) return;
  throw BundleError(in_tensors + name + " has shape " + shape_text(has) +
                    "; the sizes in manifest.json ask for " + shape_text(wanted));
}

// Checks that the tensors are exactly those that the manifest requires. The front end checks later
// whether its shapes fit each other.
void check_tensors(const Manifest& manifest, const Tensors& tensors) {
  const auto shapes = tensor_shapes(manifest.sizes, manifest.labels.size());
  const auto axes =
      manifest.network ? manifest.network->tensors() : std::map<std::string, std::size_t>{};
  std::set<std::string> known;
  for (const auto& [name, shape] : shapes) known.insert(name);
  for (const auto& [name, count] : axes) known.insert(name);
  for (const std::string& name : known) {
    if (!tensors.contains(name)) {
      throw BundleError(in_tensors + "tensor " + name + " is missing");
    }
  }
  for (const auto& [name, tensor] : tensors) {
    if (!known.contains(name)) {
      throw BundleError(in_tensors + "tensor " + name + " does not belong there");
    }
  }
  for (const auto& [name, shape] : shapes) check_shape(name, tensors.at(name).shape, shape);
  for (const auto& [name, count] : axes) {
    if (tensors.at(name).shape.size() != count) {
      throw BundleError(in_tensors + name + " has " +
                        std::to_string(tensors.at(name).shape.size()) + " axes, and must have " +
                        std::to_string(count));
    }
  }
}

// Values that would cause a division by zero.
void check_speaker(const Tensors& tensors) {
  for (const float value : tensors.at("speaker.deviation").values) {
    if (!(value > 0)) {
      throw BundleError(in_tensors + "speaker.deviation must be above 0 everywhere");
    }
  }
  double sum = 0;
  for (const float value : tensors.at("speaker.between").values) {
    if (!(value >= 0)) throw BundleError(in_tensors + "speaker.between must not be negative");
    sum += value;
  }
  if (!(static_cast<float>(sum) > 0)) {
    throw BundleError(in_tensors + "speaker.between must be above 0 in the mean");
  }
}

}  // namespace

const float* Bundle::tensor(const std::string& name, const std::vector<std::size_t>& shape) const {
  const auto found = tensors.find(name);
  if (found == tensors.end()) throw BundleError(in_tensors + "tensor " + name + " is missing");
  check_shape(name, found->second.shape, shape);
  return found->second.values.data();
}

Bundle parse_bundle(std::string_view bytes, bool graph) {
  if (bytes.size() > limits::bundle_bytes) {
    throw BundleError("is " + std::to_string(bytes.size()) + " bytes; a bundle has at most " +
                      std::to_string(limits::bundle_bytes));
  }
  const Archive archive = read_archive(bytes, comment_head.size() + hex_digits);
  for (const auto& [name, contents] : archive.members) {
    if (name != "manifest.json" && name != "frontend.onnx" && name != "kernels.safetensors") {
      throw BundleError("member '" + readable(name) + "' does not belong in a bundle");
    }
  }
  for (const char* const name : {"frontend.onnx", "kernels.safetensors"}) member(archive, name);
  const std::string_view head = member(archive, "manifest.json");
  if (head.size() > limits::manifest_bytes) {
    throw BundleError("member manifest.json has " + std::to_string(head.size()) +
                      " bytes; at most " + std::to_string(limits::manifest_bytes) + " are allowed");
  }
  const Digest hash = sha256(head);
  if (archive.comment != std::string(comment_head) + hex(hash)) {
    throw BundleError(
        "manifest.json is not the one that this bundle was made with (its hash differs from that "
        "in the zip comment): fetch the bundle again");
  }
  Bundle bundle{parse_manifest(head), std::string(head), hash, {}, {}};
  if (graph || !bundle.manifest.network) {
    const std::string_view front_end = checked_member(archive, bundle.manifest, "frontend.onnx");
    check_graph(front_end, bundle.manifest.sizes);
    bundle.front_end = front_end;
  }
  bundle.tensors = parse_tensors("kernels.safetensors",
                                 checked_member(archive, bundle.manifest, "kernels.safetensors"));
  check_tensors(bundle.manifest, bundle.tensors);
  check_speaker(bundle.tensors);
  return bundle;
}

}  // namespace edgeser
