#pragma once

#include <array>
#include <cstddef>

#include "tacn/plan.hpp"

// Limits for bundles, in one table. The kernels accept everything within them.
namespace edgeser::limits {

struct Range {
  std::size_t low, high;
};

constexpr std::size_t bundle_bytes = std::size_t{512} << 20;
constexpr std::size_t manifest_bytes = std::size_t{1} << 20;
constexpr std::size_t tensors_header_bytes = std::size_t{1} << 20;
constexpr std::size_t json_depth = 32;  // nesting of objects and lists

constexpr Range labels{2, tacn_max_outputs};
constexpr std::size_t label_bytes = 64;  // UTF-8
constexpr std::size_t name_bytes = 256;  // of the name, of the version and of a tensor's name

constexpr Range sample_rate{8'000, 48'000};  // Hz
constexpr Range segment{64, std::size_t{1} << 20};
constexpr Range hop{16, std::size_t{1} << 20};
constexpr Range deep{1, 4096};
constexpr Range positions{1, 1024};
constexpr Range code_width{1, 1024};
constexpr Range codes{1, std::size_t{1} << 16};
constexpr Range width{1, tacn_max_width};
constexpr Range layers{1, 16};
constexpr Range heads{1, 64};
constexpr Range taps{2, tacn_max_taps};
constexpr Range gate_hidden{1, 1024};
constexpr Range gate_memory{0, 16};
// Size of the rings of one stream; streams support every model within it.
constexpr std::size_t ring_bytes = std::size_t{64} << 20;

constexpr Range pause{1, 1'000};         // tokens
constexpr Range shortest{1, 1'000'000};  // tokens
constexpr double utterance = 60;         // seconds
constexpr double level_initial = -1e6;   // dBFS, the lowest
constexpr double constant = 1e6;         // of the front end and of the speaker, the largest

constexpr std::size_t body_layers = 64;  // in the front end's network
constexpr std::size_t convolution = 64;  // the largest stride and padding

// Of the ONNX graph.
constexpr std::size_t graph_nodes = 4'096;
constexpr std::size_t graph_tensors = 4'096;
constexpr std::size_t graph_fields = std::size_t{1} << 20;  // protobuf fields in all
constexpr std::size_t graph_weight_bytes = std::size_t{256} << 20;

// The same by name, for Python.
struct Named {
  const char* name;
  Range range;
};
inline constexpr std::array sizes{
    Named{"sample_rate", sample_rate},
    Named{"segment", segment},
    Named{"hop", hop},
    Named{"deep", deep},
    Named{"positions", positions},
    Named{"code_width", code_width},
    Named{"codes", codes},
    Named{"width", width},
    Named{"layers", layers},
    Named{"heads", heads},
    Named{"taps", taps},
    Named{"gate_hidden", gate_hidden},
    Named{"gate_memory", gate_memory},
};

}  // namespace edgeser::limits
