"""Look into an ONNX file without executing it: its inputs, its outputs, and data kept elsewhere.

ONNX lets a tensor live in another file ("external data"), which a runtime would read from wherever
the path leads. A bundle is one file and nothing in it may reach out, so the graph is searched for
such tensors before any runtime sees it. That takes the protobuf wire format and a dozen field
numbers of ``onnx.proto3``, and spares devices the onnx package.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from edgeser.bundle.manifest import Manifest
from edgeser.errors import BundleError

# (message, field number) -> message: every path in onnx.proto3 that can lead to a TensorProto.
_CHILDREN: dict[tuple[str, int], str] = {
    ("Model", 7): "Graph",
    ("Model", 20): "TrainingInfo",
    ("Model", 25): "Function",
    ("TrainingInfo", 1): "Graph",
    ("TrainingInfo", 2): "Graph",
    ("Function", 7): "Node",
    ("Function", 11): "Attribute",
    ("Graph", 1): "Node",
    ("Graph", 5): "Tensor",
    ("Graph", 15): "SparseTensor",
    ("Node", 5): "Attribute",
    ("Attribute", 5): "Tensor",
    ("Attribute", 6): "Graph",
    ("Attribute", 10): "Tensor",
    ("Attribute", 11): "Graph",
    ("Attribute", 22): "SparseTensor",
    ("Attribute", 23): "SparseTensor",
    ("SparseTensor", 1): "Tensor",
    ("SparseTensor", 2): "Tensor",
}
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT = 1, 5, 11, 12
_TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 13, 14
_FLOAT = 1
_DEEPEST = 32

Dimension = int | str | None


class Value(NamedTuple):
    """An input or an output of a graph. A dimension is a number, a symbol, or unknown."""

    name: str
    element: int
    shape: tuple[Dimension, ...]


def check_graph(data: bytes, manifest: Manifest) -> None:
    """Hold a serialised front end against the manifest.

    Its inputs must be ``segment (B, segment)`` and ``level (B,)``, its outputs ``deep (B, F)``,
    ``latent (B, P, D)`` and ``level_out (B,)``, all float32 with a free batch dimension.

    Raises:
        BundleError: if it is no ONNX model, has another interface, or keeps data in other files.
    """
    s = manifest.sizes
    try:
        for field, value in _fields(memoryview(data)):
            if isinstance(value, memoryview) and (child := _CHILDREN.get(("Model", field))):
                _refuse_external(value, child, 0)
        inputs, outputs = _interface(memoryview(data))
    except (IndexError, ValueError, RecursionError) as error:
        raise BundleError(f"frontend.onnx is not a readable ONNX model ({error})") from None
    _match("input", inputs, {"segment": (s.segment,), "level": ()})
    _match(
        "output",
        outputs,
        {"deep": (s.deep,), "latent": (s.positions, s.code_width), "level_out": ()},
    )


def _match(kind: str, values: list[Value], wanted: dict[str, tuple[int, ...]]) -> None:
    found = {value.name: value for value in values}
    if len(values) != len(found) or found.keys() != wanted.keys():
        raise BundleError(
            f"frontend.onnx: its {kind}s are {', '.join(v.name for v in values) or 'none'}; "
            f"they must be {', '.join(wanted)}"
        )
    for name, inner in wanted.items():
        value = found[name]
        if value.element != _FLOAT:
            raise BundleError(f"frontend.onnx: {kind} {name} is not float32")
        batch_is_free = bool(value.shape) and not isinstance(value.shape[0], int)
        if not batch_is_free or value.shape[1:] != inner:
            shape = ", ".join(str(dimension) for dimension in value.shape)
            want = ", ".join(["batch", *map(str, inner)])
            raise BundleError(
                f"frontend.onnx: {kind} {name} has shape ({shape}); manifest.json asks for ({want})"
            )


def _interface(model: memoryview) -> tuple[list[Value], list[Value]]:
    inputs: list[Value] = []
    outputs: list[Value] = []
    weights: set[str] = set()
    for graph in _messages(model, 7):
        inputs += [_value(item) for item in _messages(graph, _GRAPH_INPUT)]
        outputs += [_value(item) for item in _messages(graph, _GRAPH_OUTPUT)]
        weights |= {_text(item, 8) for item in _messages(graph, _GRAPH_INITIALIZER)}
    # Old exporters list initialisers among the inputs as well; those are not fed by anyone.
    return [value for value in inputs if value.name not in weights], outputs


def _value(info: memoryview) -> Value:
    element = 0
    shape: list[Dimension] = []
    for kind in _messages(info, 2):
        for tensor in _messages(kind, 1):
            element = next((v for f, v in _fields(tensor) if f == 1 and isinstance(v, int)), 0)
            for dimensions in _messages(tensor, 2):
                shape += [_dimension(item) for item in _messages(dimensions, 1)]
    return Value(_text(info, 1), element, tuple(shape))


def _dimension(message: memoryview) -> Dimension:
    for field, value in _fields(message):
        if field == 1 and isinstance(value, int):
            return value
        if field == 2 and isinstance(value, memoryview):
            return bytes(value).decode("utf-8")
    return None


def _refuse_external(message: memoryview, kind: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    for field, value in _fields(message):
        if kind == "Tensor":
            if field == _TENSOR_EXTERNAL_DATA or (field == _TENSOR_DATA_LOCATION and value != 0):
                raise BundleError(
                    "frontend.onnx keeps weights in another file (external data); "
                    "export it as one self-contained file"
                )
        elif isinstance(value, memoryview) and (child := _CHILDREN.get((kind, field))):
            _refuse_external(value, child, depth + 1)


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for field, value in _fields(message):
        if field == wanted and isinstance(value, memoryview):
            yield value


def _text(message: memoryview, wanted: int) -> str:
    return next((bytes(item).decode("utf-8") for item in _messages(message, wanted)), "")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field: an int for scalars, a view for anything length-delimited."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        value: int | memoryview
        if wire == 0:
            value, at = _varint(message, at)
        elif wire == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif wire in (1, 5):
            width = 8 if wire == 1 else 4
            value, at = int.from_bytes(message[at : at + width], "little"), at + width
        else:
            raise ValueError(f"wire type {wire}")
        if number == 0 or at > end:
            raise ValueError("cut short or garbled")
        yield number, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = message[at]
    if value < 0x80:  # nearly all of them
        return value, at + 1
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("varint too long")
