"""TensorRT engines: only existing tensors are requested, and failures are named."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from edgeser.backends.tensorrt import Flavour
from edgeser.backends.tensorrt.session import Session
from edgeser.errors import BackendError, DeviceError

SHAPES = {"x": (4,), "level": (), "y": (2, 3)}
ADDRESSES = {"x": 1000, "level": 2000, "y": 3000}


class Context:
    """The execution context of one batch size of :class:`Engine`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.places: dict[str, int] = {}
        self.batch = -1
        self.streams: list[int] = []

    def set_input_shape(self, name: str, shape: Sequence[int]) -> bool:
        assert name in ("x", "level")
        self.batch, *inner = shape
        return self.batch <= 64 and tuple(inner) == SHAPES[name]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self.batch, *self.engine.shapes[name])

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.places[name] = address
        return address % 8 == 0

    def execute_async_v3(self, stream: int) -> bool:
        if self.engine.raises:
            raise RuntimeError("CUDA error 700")
        self.streams.append(stream)
        return not self.engine.fails


class Engine:
    """A deserialised TensorRT engine, as far as it is used."""

    def __init__(self) -> None:
        self.shapes: dict[str, tuple[int, ...]] = dict(SHAPES)
        self.kind = "FLOAT"
        self.contexts: list[Context] = []
        self.no_memory = self.fails = self.raises = False

    @property
    def num_io_tensors(self) -> int:
        return len(self.shapes)

    def get_tensor_name(self, i: int) -> str:
        return list(self.shapes)[i]

    def get_tensor_dtype(self, name: str) -> str:
        return self.kind if name == "y" else "FLOAT"

    def get_tensor_mode(self, name: str) -> str:
        return "OUTPUT" if name == "y" else "INPUT"

    def create_execution_context(self, config: object = None) -> Context | None:
        del config
        if self.no_memory:
            return None
        self.contexts.append(Context(self))
        return self.contexts[-1]


def flavour(engine: Engine | None, said: str = "") -> Flavour:
    class Logger:
        class Severity:
            ERROR = 1

    class Runtime:
        def __init__(self, logger: Any) -> None:
            if said:
                logger.log(1, said)

        def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
            if data == b"broken":
                raise RuntimeError("not an engine")
            return engine

    api = SimpleNamespace(
        __version__="10.3.0",
        ILogger=Logger,
        Runtime=Runtime,
        DataType=SimpleNamespace(FLOAT="FLOAT"),
        TensorIOMode=SimpleNamespace(INPUT="INPUT"),
    )
    return Flavour("tensorrt", "TensorRT", api)


@pytest.fixture
def engine() -> Engine:
    return Engine()


def test_each_batch_size_has_a_context_of_its_own(engine: Engine) -> None:
    session = Session(flavour(engine), b"engine", SHAPES)
    enqueue = {batch: session.prepare(batch, ADDRESSES) for batch in (1, 64)}
    for batch in (64, 1, 64):
        enqueue[batch](4711)
    assert [context.batch for context in engine.contexts] == [1, 64]
    assert [context.places for context in engine.contexts] == [ADDRESSES, ADDRESSES]
    assert [context.streams for context in engine.contexts] == [[4711], [4711, 4711]]


@pytest.mark.parametrize(
    ("made", "data", "why"),
    [
        (None, b"engine", r"TensorRT 10.3.0 does not run this engine here \(wrong version\)"),
        (Engine(), b"broken", r"does not run here \(wrong version; not an engine\)"),
    ],
)
def test_refusals_have_tensorrts_reason(made: Engine | None, data: bytes, why: str) -> None:
    with pytest.raises(DeviceError, match=why):
        Session(flavour(made, "wrong version"), data, SHAPES)


def test_other_inputs_and_outputs_are_refused(engine: Engine) -> None:
    engine.shapes["z"] = (1,)
    with pytest.raises(BackendError, match="level, x, y, z; they should be level, x, y"):
        Session(flavour(engine), b"engine", SHAPES)
    del engine.shapes["z"]
    engine.kind = "HALF"
    with pytest.raises(BackendError, match="y in HALF; it should be in float32"):
        Session(flavour(engine), b"engine", SHAPES)


def test_outputs_of_other_sizes_are_refused_before_anything_is_written(engine: Engine) -> None:
    engine.shapes["y"] = (2, 300)
    with pytest.raises(DeviceError, match=r"y has shape \(1, 2, 300\); it should be \(1, 2, 3\)"):
        Session(flavour(engine), b"engine", SHAPES)
    assert not engine.contexts[0].places


def test_what_fails_is_named(engine: Engine) -> None:
    session = Session(flavour(engine), b"engine", SHAPES)
    with pytest.raises(DeviceError, match="does not accept batches of 65"):
        session.prepare(65, ADDRESSES)
    with pytest.raises(DeviceError, match="does not accept the address of y"):
        session.prepare(1, {**ADDRESSES, "y": 3001})
    enqueue = session.prepare(1, ADDRESSES)
    engine.fails = True
    with pytest.raises(DeviceError, match="TensorRT failed"):
        enqueue(1)
    engine.raises = True
    with pytest.raises(DeviceError, match=r"TensorRT failed \(CUDA error 700\)"):
        enqueue(1)
    engine.get_tensor_mode = None  # type: ignore[assignment,method-assign]
    with pytest.raises(DeviceError, match=r"cannot prepare a batch of 4 \(.*not callable"):
        session.prepare(4, ADDRESSES)
    del engine.get_tensor_mode
    engine.no_memory = True
    with pytest.raises(DeviceError, match="no memory for a batch of 4"):
        session.prepare(4, ADDRESSES)


def test_tensorrt_rtx_specialises_kernels_at_once(engine: Engine) -> None:
    """Otherwise it would replace them later, and a graph would keep the recorded ones."""
    rtx = flavour(engine)
    rtx.api.DynamicShapesKernelSpecializationStrategy = SimpleNamespace(EAGER="eager")
    config = SimpleNamespace()
    engine.create_runtime_config = lambda: config  # type: ignore[attr-defined]
    Session(rtx, b"engine", SHAPES).prepare(1, ADDRESSES)
    assert config.dynamic_shapes_kernel_specialization_strategy == "eager"


def test_tensorrt_has_what_is_asked_of_it(rtx: Flavour) -> None:
    asked = {
        "ICudaEngine": (
            "create_execution_context create_runtime_config get_tensor_dtype get_tensor_mode "
            "get_tensor_name num_io_tensors"
        ),
        "IExecutionContext": (
            "execute_async_v3 get_tensor_shape set_input_shape set_tensor_address"
        ),
        "IRuntimeConfig": "dynamic_shapes_kernel_specialization_strategy",
        "Runtime": "deserialize_cuda_engine",
        "DataType": "FLOAT",
        "TensorIOMode": "INPUT",
        "DynamicShapesKernelSpecializationStrategy": "EAGER",
    }
    for kind, names in asked.items():
        for name in names.split():
            assert hasattr(getattr(rtx.api, kind), name), (kind, name)
