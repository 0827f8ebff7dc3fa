"""A fake GPU: keeps its memory on the host and computes with NumPy.

It is as strict as a real one can be surprising. Nothing happens before ``synchronize``; what is
recorded for a graph does not happen at all until the graph is launched; every address must lie in
memory that is still allocated; and any call can be made to fail.
"""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cuda.arena import Arena
from edgeser.backends.cuda.device import Argument, Bytes, Kernel, Memory, PinnedMemory
from edgeser.backends.cuda.engine import CudaEngine
from edgeser.backends.cuda.index import Argument as IndexArgument
from edgeser.backends.cuda.index import Index, Variant, write_index
from edgeser.backends.cuda.index import Kernel as IndexKernel
from edgeser.backends.cuda.launcher import Kernels
from edgeser.backends.cuda.runtime import OnDevice, OnHost, Runtime
from edgeser.backends.cuda.shapes import TacnShape, VQShape, kernel_sizes, tacn_shape, vq_shape
from edgeser.bundle import Bundle
from edgeser.errors import DeviceError

Work = Callable[[], None]


class Block:
    """A piece of memory that lives while it is referenced."""

    def __init__(self, size: int) -> None:
        spare = np.zeros(size + 256, np.uint8)
        start = -spare.ctypes.data % 256
        self.data = spare[start : start + size]
        self.address = self.data.ctypes.data


@dataclass
class FakeKernel:
    symbol: str
    run: Callable[[Sequence[Argument]], None]


@dataclass
class FakeGraph:
    device: FakeDevice
    work: list[Work]
    owners: tuple[object, ...]

    def launch(self) -> None:
        self.device.check("graph")
        self.device.launches += 1
        self.device.enqueue(*self.work)


@dataclass
class FakeDevice:
    """``tacn`` and ``vq`` are what kernels have compiled in."""

    tacn: TacnShape
    vq: VQShape
    shares_memory: bool = False
    capability: tuple[int, int] = (8, 6)
    name: str = "fake"
    multiprocessors: int = 4
    stream: int = 4711
    fails: set[str] = field(default_factory=set)
    """Names of the methods that fail; "all" for a device that has gone."""
    launches: int = 0
    """Graphs launched."""
    captures: int = 0
    log: list[tuple[str, int, int]] = field(default_factory=list)
    """Symbol, programs and threads of every kernel launched or recorded."""
    _queue: list[Work] = field(default_factory=list)
    _recording: list[Work] | None = None
    _blocks: dict[int, weakref.ref[Block]] = field(default_factory=dict)

    def check(self, what: str) -> None:
        if self.fails & {what, "all"}:
            raise DeviceError(f"the fake GPU fails to {what}")

    def enqueue(self, *work: Work) -> None:
        (self._queue if self._recording is None else self._recording).extend(work)

    def view(
        self, address: int, dtype: npt.DTypeLike, *shape: int
    ) -> npt.NDArray[np.float32 | np.int32 | np.uint8]:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        for start, reference in self._blocks.items():
            block = reference()
            if block is not None and start <= address <= address + size <= start + block.data.size:
                data = block.data[address - start : address - start + size]
                return data.view(dtype).reshape(shape)
        raise AssertionError(f"{size} bytes at {address} are not in the device's memory")

    @property
    def allocated(self) -> int:
        """Bytes."""
        return sum(block.data.size for ref in self._blocks.values() if (block := ref()) is not None)

    def activate(self) -> None:
        self.check("activate")

    def allocate(self, size: int) -> Memory:
        assert self._recording is None, "memory while a graph is recorded"
        self.check("allocate")
        block = Block(size)
        self._blocks[block.address] = weakref.ref(block)
        return Memory(block.address, size, block)

    def pin(self, size: int) -> PinnedMemory:
        assert self._recording is None, "memory while a graph is recorded"
        self.check("pin")
        block = Block(size)
        if self.shares_memory:
            self._blocks[block.address] = weakref.ref(block)
        return PinnedMemory(block.data, block.address, block)

    def copy_in(self, target: int, source: Bytes) -> None:
        self.check("copy_in")

        def work() -> None:
            self.view(target, np.uint8, source.size)[:] = source

        self.enqueue(work)

    def copy_out(self, target: Bytes, source: int) -> None:
        self.check("copy_out")

        def work() -> None:
            target[:] = self.view(source, np.uint8, target.size)

        self.enqueue(work)

    def copy_within(self, target: int, source: int, size: int) -> None:
        self.check("copy_within")

        def work() -> None:
            self.view(target, np.uint8, size)[:] = self.view(source, np.uint8, size)

        self.enqueue(work)

    def load(self, code: bytes, symbol: str, shared_bytes: int) -> FakeKernel:
        assert self._recording is None, "code while a graph is recorded"
        assert code == f"code of {symbol}".encode()
        assert shared_bytes == 512
        self.check("load")
        return FakeKernel(symbol, {"vq_fusion": self._vq, "tacn_step": self._tacn}[symbol])

    def launch(
        self,
        kernel: Kernel,
        programs: int,
        threads: int,
        shared_bytes: int,
        arguments: Sequence[Argument],
    ) -> None:
        assert isinstance(kernel, FakeKernel)
        assert shared_bytes == 512
        self.check("launch")
        self.log.append((kernel.symbol, programs, threads))
        self.enqueue(lambda: kernel.run(arguments))

    def capture(self, work: Work, owners: tuple[object, ...]) -> FakeGraph:
        self.check("capture")
        self.captures += 1
        self._recording = recorded = []
        try:
            work()
        finally:
            self._recording = None
        return FakeGraph(self, recorded, owners)

    def synchronize(self) -> None:
        try:
            self.check("synchronize")
            for work in self._queue:
                work()
        finally:
            self._queue.clear()

    def _vq(self, arguments: Sequence[Argument]) -> None:
        deep_at, latent_at, matrices, vectors, tokens_at, codes_at, count, null = arguments
        assert isinstance(count, np.int32)
        assert type(null) is int
        assert null == 0
        s, rows = self.vq, int(count)
        sides = [
            s.padded_codes * s.code_columns,
            s.padded_deep * s.columns,
            s.positions * s.codes * s.columns,
        ]
        codebook, deep_weight, projected = np.split(
            self.view(int(matrices), np.float32, sum(sides)), np.cumsum(sides)[:-1]
        )
        norms, bias = np.split(
            self.view(int(vectors), np.float32, s.padded_codes + s.columns), [s.padded_codes]
        )
        codebook = codebook.reshape(s.padded_codes, s.code_columns)[:, : s.code_width]
        latent = self.view(int(latent_at), np.float32, rows, s.positions, s.code_width)
        codes = (norms - 2 * latent @ codebook.T).argmin(-1)
        token = (
            self.view(int(deep_at), np.float32, rows, s.deep_width)
            @ deep_weight.reshape(s.padded_deep, s.columns)[: s.deep_width]
        )
        by_position = projected.reshape(s.positions, s.codes, s.columns)
        token = token + bias + by_position[np.arange(s.positions), codes].sum(axis=1)
        width = s.token_width
        self.view(int(tokens_at), np.float32, rows, width)[:] = token[:, :width]
        self.view(int(codes_at), np.int32, rows, s.positions)[:] = codes

    def _tacn(self, arguments: Sequence[Argument]) -> None:
        tokens_at, states, rows_at, matrices, vectors, layers_at, logits_at, count = arguments
        assert isinstance(count, np.int32)
        s = self.tacn
        size = s.layers * s.layer_values
        values = self.view(int(matrices), np.float32, size + s.columns * s.padded_outputs)
        inner = (s.padded_depth, s.padded_heads)
        parts = values[:size].reshape(s.layers, 3 + s.taps, s.columns, s.inner)
        head = values[size:].reshape(s.columns, s.padded_outputs)
        biases = self.view(int(vectors), np.float32, s.layers * s.columns + s.padded_outputs)
        layers = self.view(int(layers_at), np.int32, s.layers, 2)
        tokens = self.view(int(tokens_at), np.float32, int(count), s.width)
        logits = self.view(int(logits_at), np.float32, int(count), s.outputs)
        used = [row for row in self.view(int(rows_at), np.int32, int(count)) if row >= 0]
        assert len(used) == len(set(used)), "a block is named twice"
        for b, row in enumerate(self.view(int(rows_at), np.int32, int(count))):
            if row < 0:
                logits[b] = np.nan
                continue
            block = self.view(int(states) + int(row) * s.block_bytes, np.uint8, s.state_bytes)
            position = int(block[:8].view(np.int64)[0])
            floats = block[64:].view(np.float32)
            x = np.zeros(s.columns, np.float32)
            x[: s.width] = tokens[b]
            for n, (dilation, first) in enumerate(layers):
                slots, slot = s.slots[n], 3 * s.width
                ring = floats[first * slot : (first + slots) * slot]
                ring = ring.reshape(slots, 3, s.depth, s.heads)
                qkv = np.stack([(x @ parts[n, i]).reshape(inner) for i in range(3)])
                qkv = qkv[:, : s.depth, : s.heads]
                past = [i * dilation for i in range(1, s.taps) if i * dilation <= position]
                q, k, v = np.stack([qkv, *(ring[(position - i) % slots] for i in past)], axis=1)
                scores = np.einsum("ieh,meh->imh", q, k) / np.sqrt(np.float32(s.depth))
                powers = np.exp(scores - scores.max(1, keepdims=True))
                weights = powers / powers.sum(1, keepdims=True)
                mixed = np.zeros((len(q), *inner), np.float32)
                mixed[:, : s.depth, : s.heads] = np.einsum("imh,meh->ieh", weights, v)
                taps = parts[n, 3:].reshape(s.taps, s.inner, s.columns)
                z = np.einsum("ij,ijc->c", mixed.reshape(len(q), -1), taps[: len(q)])
                ring[position % slots] = qkv
                x = x + np.maximum(z + biases[n * s.columns : (n + 1) * s.columns], 0)
            logits[b] = (x @ head + biases[s.layers * s.columns :])[: s.outputs]
            block[:8].view(np.int64)[0] = position + 1


NO_FRONT_END = "the compiled kernels do not include the front end: run `edgeser compile` again; "
"""The message about the fake's kernels, which precedes that about TensorRT."""
ARGUMENTS = {
    "vq_fusion": "deep:*fp32 latent:*fp32 matrices:*weight vectors:*fp32 tokens:*fp32 codes:*i32 "
    "count:i32 scratch:null",
    "tacn_step": "tokens:*fp32 states:*fp32 rows:*i32 matrices:*weight vectors:*fp32 layers:*i32 "
    "logits:*fp32 count:i32",
}


def make_index(folder: Path, bundle: Bundle) -> Index:
    """Kernels for the fake, of 1 and of 4 rows a program."""
    kernels = {}
    for name, listed in ARGUMENTS.items():
        code = f"code of {name}".encode()
        variants = []
        for rows in (1, 4):
            file = f"{name}-{rows}.cubin"
            (folder / file).write_bytes(code)
            digest = hashlib.sha256(code).hexdigest()
            variants.append(
                Variant("fp32", "sm_86", file, name, rows, 2 * rows, 512, digest, len(code))
            )
        arguments = tuple(IndexArgument(*one.split(":")) for one in listed.split())
        kernels[name] = IndexKernel(name, arguments, {}, tuple(variants))
    index = Index(folder, bundle.hash, kernel_sizes(bundle.manifest), "3.6.0", kernels)
    write_index(index)
    return index


def fake_device(bundle: Bundle, *, shares_memory: bool = False) -> FakeDevice:
    return FakeDevice(tacn_shape(bundle.manifest), vq_shape(bundle.manifest), shares_memory)


def fake_engine(
    bundle: Bundle, device: FakeDevice, index: Index, *, in_graph: bool, fall_back: bool = False
) -> CudaEngine:
    """An engine on the fake, its front end on the fake as well or on the host."""
    sizes, tacn = bundle.manifest.sizes, device.tacn
    front_end = (
        OnDevice("numpy", prepare_on(device, bundle))
        if in_graph
        else OnHost("numpy", Engine(bundle).front_end)
    )
    runtime = Runtime(
        device,
        Kernels(device, index, bundle),
        Arena(device, tacn.block_bytes, tacn.state_bytes),
        sizes,
        tacn.outputs,
        front_end,
    )
    return CudaEngine(Engine(bundle, projections=True), runtime, fall_back=fall_back)


def prepare_on(
    device: FakeDevice, bundle: Bundle
) -> Callable[[int, Mapping[str, int]], Callable[[int], None]]:
    """:attr:`OnDevice.prepare` on the fake."""
    host = Engine(bundle).front_end
    sizes = bundle.manifest.sizes

    def prepare(batch: int, addresses: Mapping[str, int]) -> Callable[[int], None]:
        def work() -> None:
            segments = device.view(addresses["segment"], np.float32, batch, sizes.segment)
            levels = device.view(addresses["level"], np.float32, batch)
            deep, latent, level_out = host(np.array(segments), np.array(levels))
            device.view(addresses["deep"], np.float32, *deep.shape)[:] = deep
            device.view(addresses["latent"], np.float32, *latent.shape)[:] = latent
            device.view(addresses["level_out"], np.float32, batch)[:] = level_out

        def enqueue(stream: int) -> None:
            assert stream == device.stream
            device.enqueue(work)

        return enqueue

    return prepare
