#include "bundle/graph.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "bundle/archive.hpp"
#include "bundle/bundle_error.hpp"

namespace edgeser {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw BundleError("frontend.onnx: " + why); }

[[noreturn]] void unreadable(const std::string& why) {
  throw BundleError("frontend.onnx is not a readable ONNX model (" + why + ")");
}

// Protobuf's wire format, the part that ONNX uses.
enum class Wire { varint = 0, eight_bytes = 1, bytes = 2, four_bytes = 5 };

struct Field {
  std::uint32_t number;
  Wire wire;
  std::uint64_t value;     // of a varint
  std::string_view bytes;  // of the wire type `bytes`
};

class Reader {
 public:
  explicit Reader(std::string_view message) : rest_(message) {}

  bool done() const { return rest_.empty(); }

  Field next() {
    const std::uint64_t key = varint();
    if (key >> 3 == 0 || key >> 32 != 0) unreadable("a field's number is out of range");
    Field field{static_cast<std::uint32_t>(key >> 3), static_cast<Wire>(key & 7), 0, {}};
    switch (field.wire) {
      case Wire::varint:
        field.value = varint();
        break;
      case Wire::eight_bytes:
        take(8);
        break;
      case Wire::bytes:
        field.bytes = take(varint());
        break;
      case Wire::four_bytes:
        take(4);
        break;
      default:
        unreadable("wire type " + std::to_string(key & 7));
    }
    return field;
  }

 private:
  std::string_view take(std::uint64_t count) {
    if (count > rest_.size()) unreadable("cut short or garbled");
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(take(1)[0]);
      if (shift == 63 && byte > 1) break;
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) {
        if (byte == 0 && shift != 0) break;
        return value;
      }
    }
    unreadable("a number is longer than it must be");
  }

  std::string_view rest_;
};

enum class Kind {
  leaf,  // not parsed further
  model,
  graph,
  node,
  attribute,
  tensor,
  value_info,
  type,
  tensor_type,
  shape,
  dimension
};

struct Known {
  std::uint32_t number;
  bool repeated;
  Kind child = Kind::leaf;
};

// The fields of onnx.proto3 (ONNX 1.19) that a front end may use.
const std::vector<Known>& fields_of(Kind kind) {
  static const std::vector<Known> none,
      model = {{1, false},
               {2, false},
               {3, false},
               {4, false},
               {5, false},
               {6, false},
               {7, false, Kind::graph},
               {8, true},
               {14, true}},
      graph = {{1, true, Kind::node},
               {2, false},
               {5, true, Kind::tensor},
               {10, false},
               {11, true, Kind::value_info},
               {12, true, Kind::value_info},
               {13, true},
               {14, true},
               {16, true}},
      node = {{1, true},  {2, true},  {3, false}, {4, false}, {5, true, Kind::attribute},
              {6, false}, {7, false}, {8, false}, {9, true}},
      attribute = {{1, false},
                   {2, false},
                   {3, false},
                   {4, false},
                   {5, false, Kind::tensor},
                   {7, true},
                   {8, true},
                   {9, true},
                   {10, true, Kind::tensor},
                   {13, false},
                   {20, false},
                   {21, false}},
      tensor = {{1, true},  {2, false}, {3, false}, {4, true},  {5, true},   {6, true}, {7, true},
                {8, false}, {9, false}, {10, true}, {11, true}, {12, false}, {16, true}},
      value_info = {{1, false}, {2, false, Kind::type}, {3, false}, {4, true}},
      type = {{1, false, Kind::tensor_type}, {6, false}},
      tensor_type = {{1, false}, {2, false, Kind::shape}}, shape = {{1, true, Kind::dimension}},
      dimension = {{1, false}, {2, false}, {3, false}};
  switch (kind) {
    case Kind::model:
      return model;
    case Kind::graph:
      return graph;
    case Kind::node:
      return node;
    case Kind::attribute:
      return attribute;
    case Kind::tensor:
      return tensor;
    case Kind::value_info:
      return value_info;
    case Kind::type:
      return type;
    case Kind::tensor_type:
      return tensor_type;
    case Kind::shape:
      return shape;
    case Kind::dimension:
      return dimension;
    case Kind::leaf:
      break;
  }
  return none;
}

// Fields that are refused with their names in the message.
void refuse_by_name(Kind kind, const Field& field) {
  const auto is = [&](Kind of, std::uint32_t number) {
    return kind == of && field.number == number;
  };
  if (is(Kind::tensor, 13) || is(Kind::tensor, 14)) {
    // Location 0 means that the data is in this file, like an absent field.
    if (field.number == 14 && field.wire == Wire::varint && field.value == 0) return;
    throw BundleError(
        "frontend.onnx keeps weights in another file (external data); "
        "export it as one self-contained file");
  }
  if (is(Kind::attribute, 6) || is(Kind::attribute, 11)) {
    refuse("a graph within the graph (If, Loop, Scan): export it without");
  }
  if (is(Kind::attribute, 22) || is(Kind::attribute, 23) || is(Kind::graph, 15)) {
    refuse("a sparse tensor: export it with dense ones");
  }
  if (is(Kind::model, 20)) refuse("it holds a graph for training: export it without");
  if (is(Kind::model, 25)) refuse("it holds functions: export it with all of them inlined");
}

const Known& known_field(Kind kind, const Field& field) {
  refuse_by_name(kind, field);
  static const Known location{14, false};
  if (kind == Kind::tensor && field.number == 14) return location;
  for (const Known& known : fields_of(kind)) {
    if (known.number == field.number) return known;
  }
  unreadable("field " + std::to_string(field.number) + " is none that a front end has");
}

using Dimension = std::variant<std::monostate, std::uint64_t, std::string>;

struct Value {
  std::string name;
  std::uint64_t element = 0;
  std::vector<Dimension> shape;
};

class Scan {
 public:
  std::vector<Value> inputs, outputs;
  std::set<std::string> weights;  // names of initialisers
  bool has_graph = false;

  void message(std::string_view bytes, Kind kind, Value* value = nullptr) {
    std::uint32_t seen = 0;  // fields that may occur once; their numbers are below 32
    std::string_view name, operation, domain;
    for (Reader reader(bytes); !reader.done();) {
      const Field field = reader.next();
      if (++fields_ > limits::graph_fields) refuse("too many fields for a front end");
      const Known& known = known_field(kind, field);
      const std::uint32_t bit = std::uint32_t{1} << known.number;
      if (!known.repeated && seen & bit) {
        unreadable("field " + std::to_string(field.number) + " is there twice");
      }
      seen |= bit;
      if (kind == Kind::node && field.number == 4) operation = field.bytes;
      if (kind == Kind::node && field.number == 7) domain = field.bytes;
      if (kind == Kind::tensor && field.number == 8) name = field.bytes;
      if (value) note(*value, kind, field);
      if (known.child == Kind::leaf) continue;
      if (field.wire != Wire::bytes) unreadable("a message has another wire type");
      enter(field, kind, known.child, value);
    }
    if (kind == Kind::node) check_operation(operation, domain);
    if (kind == Kind::tensor) note_tensor(name, bytes.size());
  }

 private:
  void enter(const Field& field, Kind kind, Kind child, Value* value) {
    if (child == Kind::graph) has_graph = true;
    if (child == Kind::node && ++nodes_ > limits::graph_nodes) {
      refuse("it has more than " + std::to_string(limits::graph_nodes) + " operators");
    }
    const bool is_input = kind == Kind::graph && field.number == 11;
    const bool is_output = kind == Kind::graph && field.number == 12;
    initialiser_ = kind == Kind::graph && child == Kind::tensor;
    if (is_input || is_output) {
      Value found;
      message(field.bytes, child, &found);
      (is_input ? inputs : outputs).push_back(std::move(found));
      return;
    }
    if (child == Kind::dimension) value->shape.emplace_back();
    message(field.bytes, child, value);
  }

  static void note(Value& value, Kind kind, const Field& field) {
    if (kind == Kind::value_info && field.number == 1) value.name = field.bytes;
    if (kind == Kind::tensor_type && field.number == 1) value.element = field.value;
    if (kind == Kind::dimension && field.number == 1) value.shape.back() = field.value;
    if (kind == Kind::dimension && field.number == 2) {
      value.shape.back() = readable(field.bytes);
    }
  }

  void note_tensor(std::string_view name, std::size_t bytes) {
    if (++tensors_ > limits::graph_tensors) {
      refuse("it has more than " + std::to_string(limits::graph_tensors) + " tensors");
    }
    weight_bytes_ += bytes;
    if (weight_bytes_ > limits::graph_weight_bytes) {
      refuse("its weights have more than " + std::to_string(limits::graph_weight_bytes) + " bytes");
    }
    if (initialiser_) weights.emplace(name);
  }

  static void check_operation(std::string_view operation, std::string_view domain) {
    if (domain != "" && domain != "ai.onnx") {
      refuse("the operator " + readable(operation) + " is of " + readable(domain) +
             "; only those of ONNX itself are taken");
    }
    for (const char* const name : {"If", "Loop", "Scan", "SequenceMap"}) {
      if (operation == name) refuse(std::string("it has a ") + name + ": export it without");
    }
  }

  std::size_t fields_ = 0, nodes_ = 0, tensors_ = 0, weight_bytes_ = 0;
  bool initialiser_ = false;
};

constexpr std::size_t most_listed = 8;  // in a message

std::string shape_text(const std::vector<Dimension>& shape) {
  std::string text;
  for (std::size_t i = 0; i < std::min(shape.size(), most_listed); ++i) {
    const Dimension& dimension = shape[i];
    text += text.empty() ? "" : ", ";
    if (const auto* number = std::get_if<std::uint64_t>(&dimension)) {
      text += std::to_string(*number);
    } else if (const auto* symbol = std::get_if<std::string>(&dimension)) {
      text += *symbol;
    } else {
      text += "None";
    }
  }
  return "(" + text + (shape.size() > most_listed ? ", ...)" : ")");
}

struct Wanted {
  const char* name;
  std::vector<std::uint64_t> inner;  // dimensions after the batch's
};

void match(const std::string& kind, const std::vector<Value>& values,
           const std::vector<Wanted>& wanted) {
  std::set<std::string> found, asked;
  std::string names, asked_names;
  for (const Value& value : values) found.insert(value.name);
  for (std::size_t i = 0; i < std::min(values.size(), most_listed); ++i) {
    names += (names.empty() ? "" : ", ") + readable(values[i].name);
  }
  if (values.size() > most_listed) names += ", ...";
  for (const Wanted& want : wanted) {
    asked.insert(want.name);
    asked_names += (asked_names.empty() ? "" : ", ") + std::string(want.name);
  }
  if (found != asked || values.size() != wanted.size()) {
    refuse("its " + kind + "s are " + (names.empty() ? "none" : names) + "; they must be " +
           asked_names);
  }
  constexpr std::uint64_t float32 = 1;
  for (const Value& value : values) {
    for (const Wanted& want : wanted) {
      if (value.name != want.name) continue;
      if (value.element != float32) refuse(kind + " " + value.name + " is not float32");
      std::vector<Dimension> shape{std::string("batch")};
      for (const std::uint64_t size : want.inner) shape.emplace_back(size);
      const bool free =
          !value.shape.empty() && !std::holds_alternative<std::uint64_t>(value.shape[0]);
      const bool same = free && std::equal(value.shape.begin() + 1, value.shape.end(),
                                           shape.begin() + 1, shape.end());
      if (!same) {
        refuse(kind + " " + value.name + " has shape " + shape_text(value.shape) +
               "; manifest.json asks for " + shape_text(shape));
      }
    }
  }
}

}  // namespace

void check_graph(std::string_view bytes, const Sizes& s) {
  Scan scan;
  scan.message(bytes, Kind::model);
  if (!scan.has_graph) unreadable("it has no graph");
  // Old exporters also list initialisers among the inputs; callers do not supply those.
  std::erase_if(scan.inputs, [&](const Value& value) { return scan.weights.contains(value.name); });
  match("input", scan.inputs, {{"segment", {s.segment}}, {"level", {}}});
  match("output", scan.outputs,
        {{"deep", {s.deep}}, {"latent", {s.positions, s.code_width}}, {"level_out", {}}});
}

}  // namespace edgeser
