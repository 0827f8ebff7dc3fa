"""Changes to a bundle's ONNX graph that make it invalid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, TensorProto, external_data_helper, helper, numpy_helper


def loop(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["x"]))


def branch(model: ModelProto) -> None:
    branch = helper.make_graph([], "branch", [], [])
    model.graph.node.append(
        helper.make_node("If", ["level"], ["x"], then_branch=branch, else_branch=branch)
    )


def function(model: ModelProto) -> None:
    model.functions.append(helper.make_function("a", "f", [], [], [], []))


def foreign(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Attention", [], ["x"], domain="com.microsoft"))


def crowd(model: ModelProto) -> None:
    model.graph.node.extend(helper.make_node("Relu", ["level"], [f"x{n}"]) for n in range(5_000))


def sparse(model: ModelProto) -> None:
    tensor = helper.make_sparse_tensor(
        helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("i", TensorProto.INT64, [1], [0]),
        [1 << 40],
    )
    model.graph.sparse_initializer.append(tensor)


def long_varint(data: bytes) -> bytes:
    """The first field's key, IR version, written in two bytes where one would do."""
    return bytes([data[0] | 0x80, 0]) + data[1:]


def wide_key(data: bytes) -> bytes:
    """The same in five bytes with bit 32 set, which some parsers drop."""
    return bytes([data[0] | 0x80, 0x80, 0x80, 0x80, 0x10]) + data[1:]


def external(model: ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "to_deep")
    external_data_helper.set_external_data(tensor, "../../etc/passwd")


def field(number: int, content: bytes | int, key: Callable[[int], bytes] | None = None) -> bytes:
    """One field of a protobuf message: bytes, or a number; ``key`` writes its key otherwise."""
    wire = 0 if isinstance(content, int) else 2
    head = (key or varint)(number << 3 | wire)
    return head + (varint(content) if isinstance(content, int) else varint(len(content)) + content)


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    bits = [number >> shift & 0x7F for shift in range(0, max(1, number.bit_length()), 7)]
    return bytes([bit | 0x80 for bit in bits[:-1]] + bits[-1:])


def in_five_bytes(key: int) -> bytes:
    """A key with a bit beyond its 32, which protobuf drops."""
    return varint(key | 1 << 32)


def padded(key: int) -> bytes:
    """A key in one byte more than it needs."""
    return bytes([*(byte | 0x80 for byte in varint(key)), 0])


def weights_of(path: str, key: Callable[[int], bytes]) -> Callable[[ModelProto], bytes]:
    """The graph with weights in the file at ``path``, named by fields with non-canonical keys.

    What protobuf parses of it keeps them there; who looks for these fields by number may not.
    """

    def write(model: ModelProto) -> bytes:
        tensor = next(t for t in model.graph.initializer if t.name == "to_deep")
        model.graph.initializer.remove(tensor)
        tensor.ClearField("raw_data")
        about = (("location", path), ("offset", "0"), ("length", "4"))
        entries = [field(1, name.encode()) + field(2, value.encode()) for name, value in about]
        external = b"".join(field(13, entry, key) for entry in entries)
        whole = tensor.SerializeToString() + external + field(14, 1, key)
        graph = model.graph.SerializeToString() + field(5, whole)
        model.ClearField("graph")
        return model.SerializeToString() + field(7, graph)

    return write


def external_in_a_branch(model: ModelProto) -> None:
    hidden = numpy_helper.from_array(np.zeros(1, np.float32), "hidden")
    external_data_helper.set_external_data(hidden, "weights.bin")
    node = helper.make_node("Constant", [], ["unused"], value=hidden)
    branch = helper.make_graph([node], "branch", [], [])
    model.graph.node.append(
        helper.make_node("If", ["level"], ["x"], then_branch=branch, else_branch=branch)
    )


def fill(model: ModelProto) -> None:
    """A few bytes that become 4 TiB when executed."""
    shape = numpy_helper.from_array(np.array([1 << 40], np.int64), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["large"]))


def rename_output(model: ModelProto) -> None:
    model.graph.output[0].name = "shallow"


def extra_input(model: ModelProto) -> None:
    value = helper.make_tensor_value_info("extra", TensorProto.FLOAT, ["batch"])
    model.graph.input.append(value)


def many_inputs(model: ModelProto) -> None:
    for n in range(9_000):
        model.graph.input.append(helper.make_tensor_value_info(f"x{n}", TensorProto.FLOAT, [1]))


def many_sides(model: ModelProto) -> None:
    for _ in range(9_000):
        model.graph.input[0].type.tensor_type.shape.dim.add()


def wrong_width(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4_000


def fixed_batch(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def doubles(model: ModelProto) -> None:
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.DOUBLE


def unknown_operator(model: ModelProto) -> None:
    model.graph.node[0].op_type = "Telepathy"


def lying_shape(model: ModelProto) -> None:
    """Declared as in the manifest, but with another output width."""
    for initializer in model.graph.initializer:
        if initializer.name == "to_deep":
            rows = initializer.dims[0]
            narrow = helper.make_tensor("to_deep", TensorProto.FLOAT, [rows, 20], [0.0] * rows * 20)
            initializer.CopyFrom(narrow)


def infinite(model: ModelProto) -> None:
    for initializer in model.graph.initializer:
        if initializer.name == "waves":
            count = int(np.prod(initializer.dims))
            values = helper.make_tensor(
                "waves", TensorProto.FLOAT, initializer.dims, [np.inf] * count
            )
            initializer.CopyFrom(values)
