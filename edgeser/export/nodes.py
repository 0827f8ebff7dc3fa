"""Builds the nodes and constants of an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper
from onnx import numpy_helper as arrays


class Nodes:
    """A part of a graph. Names begin with ``place``, unless they are given."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """A node of one output; its output's name."""
        output = to or f"{self.place}/{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def constant(self, values: npt.ArrayLike, kind: npt.DTypeLike = np.float32) -> str:
        """The name of a constant."""
        name = f"{self.place}/constant_{len(self.constants)}"
        self.constants.append(arrays.from_array(np.asarray(values, kind), name))
        return name

    def whole(self, values: npt.ArrayLike) -> str:
        """The name of a constant of whole numbers."""
        return self.constant(values, np.int64)

    def columns(self, of: str, begin: int, end: int, to: str = "") -> str:
        """Some columns of (B, N)."""
        return self.add("Slice", of, *(self.whole([at]) for at in (begin, end, 1)), to=to)

    def reshaped(self, of: str, *shape: int, to: str = "") -> str:
        """A zero in the shape keeps that dimension, so the batch stays dynamic."""
        return self.add("Reshape", of, self.whole(shape), to=to)

    def product(self, x: str, matrix: npt.ArrayLike, bias: npt.ArrayLike) -> str:
        """(B, N) times (N, M), plus (M)."""
        return self.add("Add", self.add("MatMul", x, self.constant(matrix)), self.constant(bias))

    def float32(self, of: str) -> str:
        """Truths or whole numbers as float32."""
        output = f"{self.place}/cast_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node("Cast", [of], [output], name=output, to=TensorProto.FLOAT)
        )
        return output
