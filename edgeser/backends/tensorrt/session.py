"""Runs an engine on a CUDA stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from edgeser.backends.tensorrt.flavour import Flavour
from edgeser.backends.tensorrt.log import Log
from edgeser.errors import BackendError, DeviceError, EdgeserError

Enqueue = Callable[[int], None]
"""Enqueues a batch on the CUDA stream with this handle, and returns before it is done."""


class Session:
    """An engine on the GPU that is current. For one thread at a time."""

    def __init__(
        self, flavour: Flavour, engine: bytes, shapes: Mapping[str, tuple[int, ...]]
    ) -> None:
        """Deserialise an engine.

        Args:
            flavour: the TensorRT that built it.
            engine: as :func:`edgeser.backends.tensorrt.build` returned it.
            shapes: of all its inputs and outputs, which are float32, without the batch. Where a
                graph says otherwise, it would be read and written beyond what belongs to it.

        Raises:
            DeviceError: TensorRT does not run this engine on this GPU, or its outputs are of other
                sizes.
            BackendError: it has other inputs or outputs.
        """
        self._flavour = flavour
        trt = flavour.api
        # The runtime must outlive its engine, and the logger both.
        self._said = said = Log(trt)
        title = f"{flavour.title} {flavour.version}"
        try:
            self._runtime = trt.Runtime(said.logger)
            self._engine = self._runtime.deserialize_cuda_engine(engine)
        except Exception as error:
            raise DeviceError(f"{title} does not run here ({said.reason(error)})") from error
        if self._engine is None:
            raise DeviceError(f"{title} does not run this engine here ({said.reason()})")
        self._contexts: dict[int, Any] = {}
        self._shapes = shapes
        self._check()
        self._context(1)  # what does not fit is found now

    def prepare(self, batch: int, addresses: Mapping[str, int]) -> Enqueue:
        """Make ready for batches of one size, from and to fixed places.

        Each size has its own context, because a context captured by a CUDA graph must not change.

        Args:
            batch: within the profile that the engine was built with.
            addresses: device address of every input and output, by name; contiguous, each as large
                as the batch needs.

        Raises:
            DeviceError: TensorRT refuses the size or an address.
        """
        title = self._flavour.title
        context = self._context(batch)
        for name in self._shapes:
            if not context.set_tensor_address(name, addresses[name]):
                raise DeviceError(f"{title}: the engine does not accept the address of {name}")

        def enqueue(stream: int) -> None:
            try:
                done = context.execute_async_v3(stream)
            except Exception as error:
                raise DeviceError(f"{title} failed ({self._said.reason(error)})") from error
            if not done:
                raise DeviceError(f"{title} failed ({self._said.reason()})")

        return enqueue

    def _context(self, batch: int) -> Any:
        """What runs batches of one size; made once."""
        if batch not in self._contexts:
            try:
                self._contexts[batch] = self._make_context(batch)
            except EdgeserError:
                raise
            except Exception as error:
                title, why = self._flavour.title, self._said.reason(error)
                raise DeviceError(f"{title} cannot prepare a batch of {batch} ({why})") from error
        return self._contexts[batch]

    def _make_context(self, batch: int) -> Any:
        title, trt = self._flavour.title, self._flavour.api
        context = self._flavour.context(self._engine)
        if context is None:
            raise DeviceError(f"{title} has no memory for a batch of {batch}")
        shapes = {name: (batch, *inner) for name, inner in self._shapes.items()}
        for name, shape in shapes.items():
            is_input = self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            if is_input and not context.set_input_shape(name, shape):
                raise DeviceError(f"{title}: the engine does not accept batches of {batch}")
        for name, shape in shapes.items():
            made = tuple(context.get_tensor_shape(name))  # of an output, now that inputs are known
            if made != shape:
                raise DeviceError(f"{title}: {name} has shape {made}; it should be {shape}")
        return context

    def _check(self) -> None:
        engine, trt = self._engine, self._flavour.api
        names = {engine.get_tensor_name(i) for i in range(engine.num_io_tensors)}
        if names != set(self._shapes):
            raise BackendError(
                f"the engine's inputs and outputs are {', '.join(sorted(names))}; "
                f"they should be {', '.join(sorted(self._shapes))}"
            )
        for name in names:
            kind = engine.get_tensor_dtype(name)
            if kind != trt.DataType.FLOAT:
                raise BackendError(f"the engine has {name} in {kind}; it should be in float32")
