#include "bundle/manifest.hpp"

#include <set>

#include "bundle/bundle_error.hpp"

namespace edgeser {
namespace {

const std::string in_manifest = "manifest.json: ";

void check_format(const Json& raw) {
  const std::size_t format = size_entry(raw, "format", 1, SIZE_MAX, in_manifest);
  if (format > bundle_format) {
    throw BundleError("this bundle has format " + std::to_string(format) +
                      ", made by a newer edgeser; this one reads up to " +
                      std::to_string(bundle_format) + ": upgrade edgeser");
  }
}

std::vector<std::string> strings(const Json& raw, const char* key) {
  const Json& list = entry(raw, key, in_manifest);
  std::vector<std::string> result;
  bool good = list.is_array();
  for (std::size_t i = 0; good && i < list.size(); ++i) {
    good = list[i].is_string();
    if (good) result.push_back(list[i].get<std::string>());
  }
  if (!good) throw BundleError(in_manifest + key + " must be a list of strings");
  return result;
}

Sizes parse_sizes(const Json& raw) {
  const Json& table = object_entry(raw, "sizes", in_manifest);
  const auto size = [&](const char* key, std::size_t low, std::size_t high) {
    return size_entry(table, key, low, high, in_manifest + "sizes.");
  };
  const Sizes sizes{.sample_rate = size("sample_rate", 8'000, 48'000),
                    .segment = size("segment", 64, 1 << 20),
                    .hop = size("hop", 16, 1 << 20),
                    .deep = size("deep", 1, 4096),
                    .positions = size("positions", 1, 1024),
                    .code_width = size("code_width", 1, 1024),
                    .codes = size("codes", 1, 1 << 16),
                    .width = size("width", 1, 2048),
                    .layers = size("layers", 1, 16),
                    .heads = size("heads", 1, 64),
                    .taps = size("taps", 1, 16)};
  if (sizes.hop > sizes.segment) {
    throw BundleError(in_manifest + "sizes.hop must not exceed sizes.segment");
  }
  return sizes;
}

std::map<std::string, MemberFacts> parse_members(const Json& raw) {
  const Json& table = object_entry(raw, "members", in_manifest);
  std::map<std::string, MemberFacts> members;
  for (const char* const name : {"frontend.onnx", "kernels.safetensors"}) {
    const Json& facts = object_entry(table, name, in_manifest + "members.");
    const std::string inside = in_manifest + "members." + name + ".";
    members[name] = {size_entry(facts, "bytes", 1, SIZE_MAX, inside),
                     string_entry(facts, "sha256", inside)};
  }
  return members;
}

}  // namespace

Manifest parse_manifest(std::string_view text) {
  Json raw = parse_json("manifest.json", text);
  check_format(raw);
  const Json& thresholds = object_entry(raw, "thresholds", in_manifest);
  const auto threshold = [&](const char* key) {
    return number_entry(thresholds, key, 0, 1, in_manifest + "thresholds.");
  };
  Manifest manifest{.name = string_entry(raw, "name", in_manifest),
                    .version = string_entry(raw, "version", in_manifest),
                    .licence = string_entry(raw, "licence", in_manifest),
                    .labels = strings(raw, "labels"),
                    .notices = strings(raw, "notices"),
                    .sizes = parse_sizes(raw),
                    .level_initial = number_entry(raw, "level_initial", -1e6, 0, in_manifest),
                    .speech_threshold = threshold("speech"),
                    .confidence_threshold = threshold("confidence"),
                    .members = parse_members(raw),
                    .raw = {}};
  const std::set<std::string> different(manifest.labels.begin(), manifest.labels.end());
  if (different.size() < 2 || different.size() > 63 || different.size() != manifest.labels.size() ||
      different.contains("")) {
    throw BundleError(in_manifest + "labels must be 2 to 63 different, non-empty names");
  }
  manifest.raw = std::move(raw);
  return manifest;
}

}  // namespace edgeser
