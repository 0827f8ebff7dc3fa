#include "bundle/manifest.hpp"

#include <cstdint>
#include <set>

#include "bundle/bundle_error.hpp"

namespace edgeser {
namespace {

const std::string in_manifest = "manifest.json: ";

void check_format(const Json& raw) {
  const std::size_t format = size_entry(raw, "format", {1, SIZE_MAX}, in_manifest);
  if (format > bundle_format) {
    throw BundleError("this bundle has format " + std::to_string(format) +
                      ", made by a newer edgeser; this one reads format " +
                      std::to_string(bundle_format) + ": upgrade edgeser");
  }
  if (format < bundle_format) {
    throw BundleError("this bundle has format " + std::to_string(format) +
                      ", made by an older edgeser; this one reads format " +
                      std::to_string(bundle_format) + ": export it again");
  }
}

std::string text_entry(const Json& raw, const char* key, std::size_t most) {
  std::string text = string_entry(raw, key, in_manifest);
  if (text.size() > most) {
    throw BundleError(in_manifest + key + " has " + std::to_string(text.size()) +
                      " bytes; at most " + std::to_string(most) + " are allowed");
  }
  require_printable(text, in_manifest + key);
  return text;
}

std::vector<std::string> strings(const Json& raw, const char* key) {
  const char* const what = "a list of strings";
  std::vector<std::string> result;
  for (const Json& item : list_entry(raw, key, in_manifest, what)) {
    if (!item.is_string()) throw BundleError(in_manifest + key + " must be " + what);
    result.push_back(item.get<std::string>());
    require_printable(result.back(),
                      in_manifest + key + "[" + std::to_string(result.size() - 1) + "]");
  }
  return result;
}

std::vector<std::string> parse_labels(const Json& raw) {
  auto labels = strings(raw, "labels");
  if (labels.size() < limits::labels.low) {
    throw BundleError(in_manifest + "labels must have at least " +
                      std::to_string(limits::labels.low) + " entries");
  }
  const std::set<std::string> different(labels.begin(), labels.end());
  if (labels.size() > limits::labels.high || different.size() != labels.size() ||
      different.contains("")) {
    throw BundleError(in_manifest + "labels must be " + std::to_string(limits::labels.low) +
                      " to " + std::to_string(limits::labels.high) + " different, non-empty names");
  }
  for (const std::string& label : labels) {
    if (label.size() > limits::label_bytes) {
      throw BundleError(in_manifest + "labels must have at most " +
                        std::to_string(limits::label_bytes) + " bytes each");
    }
  }
  return labels;
}

Sizes parse_sizes(const Json& raw) {
  const Json& table = object_entry(raw, "sizes", in_manifest);
  const auto size = [&](const char* key) {
    for (const limits::Named& known : limits::sizes) {
      if (std::string_view(known.name) == key) {
        return size_entry(table, key, known.range, in_manifest + "sizes.");
      }
    }
    throw BundleError(in_manifest + "sizes." + key + " has no limits");
  };
  const Sizes sizes{.sample_rate = size("sample_rate"),
                    .segment = size("segment"),
                    .hop = size("hop"),
                    .deep = size("deep"),
                    .positions = size("positions"),
                    .code_width = size("code_width"),
                    .codes = size("codes"),
                    .width = size("width"),
                    .layers = size("layers"),
                    .heads = size("heads"),
                    .taps = size("taps"),
                    .gate_hidden = size("gate_hidden"),
                    .gate_memory = size("gate_memory")};
  if (sizes.hop > sizes.segment) {
    throw BundleError(in_manifest + "sizes.hop must not exceed sizes.segment");
  }
  if (sizes.width % sizes.heads != 0) {
    throw BundleError(in_manifest + "sizes.width must be a multiple of sizes.heads");
  }
  const std::size_t slots = (sizes.taps - 1) * ((std::size_t{1} << sizes.layers) - 1);
  const std::size_t rings = slots * 3 * sizes.width * sizeof(float);
  if (rings > limits::ring_bytes) {
    throw BundleError(in_manifest + "sizes: layers, taps and width would take " +
                      std::to_string(rings) + " bytes a stream; at most " +
                      std::to_string(limits::ring_bytes) + " are allowed");
  }
  return sizes;
}

Thresholds parse_thresholds(const Json& raw) {
  const Json& table = object_entry(raw, "thresholds", in_manifest);
  const auto threshold = [&](const char* key, double most) {
    return number_entry(table, key, 0, most, in_manifest + "thresholds.");
  };
  return {
      .speech = threshold("speech", 1),
      .confidence = threshold("confidence", 1),
      .utterance = table.contains("utterance") ? threshold("utterance", limits::utterance) : 0.0};
}

SpeakerRules parse_speaker(const Json& raw) {
  const Json& table = object_entry(raw, "speaker", in_manifest);
  const std::string inside = in_manifest + "speaker.";
  const auto number = [&](const char* key, double low, double high) {
    return number_entry(table, key, low, high, inside);
  };
  constexpr double above_zero = 1e-6, most = limits::constant;
  return {.adapt = bool_entry(table, "adapt", inside),
          .prior = number("prior", above_zero, most),
          .floor = number("floor", 0, 1),
          .bound = number("bound", above_zero, most),
          .most = number("most", 1, most),
          .shortest = size_entry(table, "shortest", limits::shortest, inside),
          .calibration = number("calibration", above_zero, most)};
}

bool is_hash(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::map<std::string, MemberFacts> parse_members(const Json& raw) {
  const Json& table = object_entry(raw, "members", in_manifest);
  if (table.size() != 2 || !table.contains("frontend.onnx") ||
      !table.contains("kernels.safetensors")) {
    throw BundleError(in_manifest +
                      "members must be exactly frontend.onnx and kernels.safetensors");
  }
  std::map<std::string, MemberFacts> members;
  for (const char* const name : {"frontend.onnx", "kernels.safetensors"}) {
    const Json& facts = object_entry(table, name, in_manifest + "members.");
    const std::string inside = in_manifest + "members." + name + ".";
    members[name] = {size_entry(facts, "bytes", {1, limits::bundle_bytes}, inside),
                     string_entry(facts, "sha256", inside)};
    if (!is_hash(members[name].sha256)) {
      throw BundleError(inside + "sha256 must be 64 hex digits");
    }
  }
  return members;
}

}  // namespace

Manifest parse_manifest(std::string_view text) {
  const Json raw = parse_json("manifest.json", text);
  check_format(raw);
  const Json& sequence = object_entry(raw, "sequence", in_manifest);
  return {
      .name = text_entry(raw, "name", limits::name_bytes),
      .version = text_entry(raw, "version", limits::name_bytes),
      .licence = text_entry(raw, "licence", limits::manifest_bytes),
      .labels = parse_labels(raw),
      .notices = strings(raw, "notices"),
      .sizes = parse_sizes(raw),
      .network = parse_network(raw),
      .level_initial = number_entry(raw, "level_initial", limits::level_initial, 0, in_manifest),
      .thresholds = parse_thresholds(raw),
      .pause = size_entry(sequence, "pause", limits::pause, in_manifest + "sequence."),
      .speaker = parse_speaker(raw),
      .members = parse_members(raw)};
}

std::vector<std::pair<std::string, std::vector<std::size_t>>> tensor_shapes(const Sizes& s,
                                                                            std::size_t labels) {
  return {{"vq.codebook", {s.codes, s.code_width}},
          {"vq.deep_weight", {s.deep, s.width}},
          {"vq.latent_weight", {s.positions * s.code_width, s.width}},
          {"vq.bias", {s.width}},
          {"gate.weight", {s.gate_memory + 1, s.width, s.gate_hidden}},
          {"gate.bias", {s.gate_hidden}},
          {"gate.out", {s.gate_hidden}},
          {"gate.out_bias", {1}},
          {"speaker.mean", {s.width}},
          {"speaker.deviation", {s.width}},
          {"speaker.between", {s.width}},
          {"speaker.neutral", {s.width}},
          {"speaker.known", {s.width}},
          {"tacn.query", {s.layers, s.width, s.width}},
          {"tacn.key", {s.layers, s.width, s.width}},
          {"tacn.value", {s.layers, s.width, s.width}},
          {"tacn.output", {s.layers, s.width, s.width}},
          {"tacn.taps", {s.layers, s.taps, s.width, s.width}},
          {"tacn.bias", {s.layers, s.width}},
          {"head.weight", {s.width, labels}},
          {"head.bias", {labels}}};
}

}  // namespace edgeser
