"""The toy on the stub of a driver.

``python -m tests.backends.cuda.driver.on_stub SCENARIO BUNDLE KERNELS``

A process of its own, in which ``libcuda.so.1`` is the stub's.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

import edgeser
from bench.gpu.ahead_of_time import AheadOfTime
from bench.gpu.clock import Work
from bench.gpu.harness import Harness
from edgeser.backends.cuda import factory
from edgeser.backends.cuda.device import Bytes, Graph
from edgeser.backends.cuda.driver import CudaDevice, driver_version
from edgeser.backends.cuda.factory import open_auto, open_cuda
from edgeser.backends.cuda.index import FRONT_END
from edgeser.bundle import Bundle, read_bundle
from edgeser.model import Model
from edgeser.results import EmotionFrame
from tests.backends.cuda.fake import ARGUMENTS, fake_device
from tests.backends.cuda.interpreted import Interpreting, front_end_arguments
from tests.sounds import noise, speech_like

HOP = 2048
STUB = ctypes.CDLL("libcuda.so.1")
_ON_LAUNCH = ctypes.CFUNCTYPE(
    None,
    ctypes.c_char_p,
    ctypes.c_uint,
    ctypes.c_uint,
    ctypes.c_uint,
    ctypes.POINTER(ctypes.POINTER(ctypes.c_uint64)),
)


class Kernels(Interpreting):
    """The fake's kernels and the interpreted ones, on given memory."""

    def view(
        self, address: int, dtype: npt.DTypeLike, *shape: int
    ) -> npt.NDArray[np.float32 | np.int32 | np.uint8]:
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        memory = (ctypes.c_uint8 * size).from_address(address)
        return np.ctypeslib.as_array(memory).view(dtype).reshape(shape)

    def tensor(self, address: int, dtype: npt.DTypeLike) -> torch.Tensor:
        return torch.from_numpy(self.view(address, dtype, 1))  # of which the address is taken


def execute_launches(bundle: Bundle) -> list[tuple[str, int, int, int]]:
    """Let launches on the stub compute; the list gets symbol, programs, threads, shared bytes."""
    fake = fake_device(bundle)
    kernels = Kernels(fake.tacn, fake.vq)
    run = {"vq_fusion": kernels._vq, "tacn_step": kernels._tacn}
    done: list[tuple[str, int, int, int]] = []

    def on_launch(
        symbol: bytes, programs: int, threads: int, shared: int, arguments: object
    ) -> None:
        name = symbol.decode()
        if name in FRONT_END:
            listed = [f"{argument.name}:{argument.type}" for argument in front_end_arguments(name)]
        else:
            listed = ARGUMENTS[name].split()
        given: list[int | np.int32] = []
        for i, argument in enumerate(listed):
            value = arguments[i][0] if not argument.endswith("null") else 0  # type: ignore[index]
            given.append(np.int32(value) if argument.endswith(":i32") else value)
        if name in FRONT_END:
            kernels.interpret(name, programs, threads, given)
        else:
            run[name](given)
        done.append((name, programs, threads, shared))

    function = _ON_LAUNCH(on_launch)
    STUB.stub_on_launch(function)
    STUB.keep = function
    return done


def assert_close(found: list[EmotionFrame], wanted: list[EmotionFrame]) -> None:
    assert [frame.time for frame in found] == [frame.time for frame in wanted]
    for one, other in zip(found, wanted, strict=True):
        for label, probability in other.probabilities.items():
            assert abs(one.probabilities[label] - probability) < 1e-5
        assert abs(one.speech - other.speech) < 1e-5


def streams(bundle: Path, kernels: Path) -> None:
    """Streams of different ages, in batches that grow; then all memory comes back."""
    launches = execute_launches(read_bundle(bundle))
    cpu = edgeser.load(bundle)
    engine = open_cuda(read_bundle(bundle), kernels, "float32")
    pool = Model(engine).pool()
    sounds = [speech_like(3.0, seed=i) for i in range(20)]
    members = [pool.stream(16_000) for _ in sounds]
    heard: list[list[EmotionFrame]] = [[] for _ in sounds]
    for count in (1, 3, 20, 20, 5):
        part = {members[i]: sounds[i][len(heard[i]) * HOP :][:HOP] for i in range(count)}
        for i, frames in enumerate(pool.process(part).values()):
            heard[i] += frames
    for frames, sound in zip(heard, sounds, strict=True):
        assert_close(frames, cpu.stream(16_000).process(sound[: len(frames) * HOP]))
    rest = sounds[0][5 * HOP :]
    assert_close(cpu.resume(members[0].state()).process(rest), members[0].process(rest))
    lookups, steps = engine.runtime.recorded
    assert lookups == (1, 4, 16, 64)
    assert steps == (1, 4, 64)  # as many as were heard at a time, padded
    assert {shared for *_, shared in launches} == {512}
    assert {threads for _, _, threads, _ in launches} == {64, 256}
    assert STUB.stub_allocations() > 0
    del engine, pool, members, part
    gc.collect()
    assert STUB.stub_allocations() == 0


def shared_streams(bundle: Path, kernels: Path) -> None:
    """The same with unified memory."""
    STUB.stub_share_memory(1)
    assert CudaDevice().shares_memory
    streams(bundle, kernels)


def front_end(bundle: Path, kernels: Path) -> None:
    """The front end's kernels too, with all their arguments; then all memory comes back."""
    launches = execute_launches(read_bundle(bundle))
    factory._TRIAL_HOPS = 2  # each takes a second
    engine = open_cuda(read_bundle(bundle), kernels, "float32")
    assert engine.runtime.front_end.title == "the GPU"
    sound = speech_like(0.3)
    stream = Model(engine).stream(16_000)
    assert_close(stream.process(sound), edgeser.load(bundle).stream(16_000).process(sound))
    assert {symbol for symbol, *_ in launches} == {*FRONT_END, "vq_fusion", "tacn_step"}
    del engine, stream
    gc.collect()
    assert STUB.stub_allocations() == 0


def breaks(bundle: Path, kernels: Path) -> None:
    """The device is lost for good: with errors of ours, or on the processor."""
    execute_launches(read_bundle(bundle))
    cpu, sound = edgeser.load(bundle), noise(40 * HOP)
    wanted = cpu.stream(16_000).process(sound)
    there = Model(open_cuda(read_bundle(bundle), kernels, "float32")).stream(16_000)
    model = Model(open_auto(read_bundle(bundle), kernels, "float32"))
    stream = model.stream(16_000)
    first, rest = sound[: 30 * HOP], sound[30 * HOP :]
    assert_close(there.process(first), wanted[:30])
    heard = stream.process(first)
    assert model.backend == "cuda"
    STUB.stub_break(1)
    tell(lambda: there.process(rest))
    tell(lambda: there.process(rest))
    tell(lambda: open_cuda(read_bundle(bundle), kernels, "float32"))
    assert_close(cpu.resume(there.state()).process(rest), wanted[30:])
    assert_close(heard + stream.process(rest), wanted)
    assert model.backend == "cpu"


def tell(work: Callable[[], object]) -> None:
    """Print the error that ``work`` must end in."""
    try:
        work()
    except edgeser.DeviceError as error:
        print("named:", error)
    else:
        raise AssertionError("no error")


def seam(bundle: Path, kernels: Path) -> None:
    """Parts of the interface that the other tests do not cover."""
    del bundle, kernels
    assert driver_version() == "13.0"
    device = CudaDevice()
    assert (device.name, device.capability, device.multiprocessors) == ("Stub", (8, 6), 4)
    device.load(b"\x7fELF", "tacn_step", 512)
    assert STUB.stub_most_shared() == 0
    device.load(b"\x7fELF", "tacn_step", 60 << 10)
    assert STUB.stub_most_shared() == 60 << 10
    memory, pinned = device.allocate(1000), device.pin(1000)
    assert memory.address % 256 == pinned.address % 256 == 0
    pinned.array[:] = np.arange(1000) % 251
    graph = device.capture(lambda: device.copy_in(memory.address, pinned.array), (memory, pinned))
    found = np.ones(1000, np.uint8)
    device.copy_out(found, memory.address)
    device.synchronize()
    assert not found.any()  # it was recorded, not done
    graph.launch()
    device.copy_within(memory.address, memory.address + 500, 500)
    device.copy_out(found, memory.address)
    device.synchronize()
    assert (found[:500] == pinned.array[500:]).all()
    tell(lambda: device.capture(lambda: void(device.allocate(10)), ()))
    device.synchronize()  # and the stream records no more
    tell(lambda: CudaDevice(1))


def owners(bundle: Path, kernels: Path) -> None:
    """Launches keep their arguments alive; freed arguments are detected."""
    device = CudaDevice()
    graph, seen = copying_graph(device, kept=True)
    gc.collect()
    graph.launch()
    device.synchronize()
    assert (seen == 7).all()
    source = np.full(100, 8, np.uint8)
    alive, target = weakref.ref(source), device.allocate(100)
    device.copy_in(target.address, source)
    del source
    gc.collect()
    assert alive() is not None  # the copy has not been made yet
    device.synchronize()
    assert alive() is None
    launches = execute_launches(read_bundle(bundle))
    work, logits = step_ahead(bundle, kernels, device)
    gc.collect()
    work.call()
    device.synchronize()
    assert [symbol for symbol, *_ in launches] == ["tacn_step"] * 2
    assert bool((logits != 0).all())
    graph, seen = copying_graph(device, kept=False)
    gc.collect()
    graph.launch()
    tell(device.synchronize)
    assert (seen == 1).all()


def copying_graph(device: CudaDevice, *, kept: bool) -> tuple[Graph, Bytes]:
    """A graph that copies from memory that only it refers to; its destination holds ones."""
    memory, seen = device.allocate(100), np.ones(100, np.uint8)
    device.copy_in(memory.address, np.full(100, 7, np.uint8))
    device.synchronize()
    owners = (memory,) if kept else ()
    return device.capture(lambda: device.copy_out(seen, memory.address), owners), seen


def step_ahead(bundle: Path, kernels: Path, device: CudaDevice) -> tuple[Work, torch.Tensor]:
    """A step as bench/gpu launches it; only its own references keep its memory."""
    harness = Harness(read_bundle(bundle), kernels, torch.device("cpu"))
    logits = torch.zeros(3, harness.tacn.outputs)
    arena = torch.zeros(3, harness.tacn.block_bytes, dtype=torch.uint8)
    rows = torch.arange(3, dtype=torch.int32)
    ahead = AheadOfTime(harness, lambda: device)
    return ahead.tacn_step(torch.ones(3, harness.tacn.width), arena, rows, logits), logits


def void(thing: object) -> None:
    """Take anything, return nothing."""
    del thing


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(message)s")
    for name in ("tensorrt", "tensorrt_rtx"):  # they would want more of a driver
        sys.modules[name] = None  # type: ignore[assignment]
    scenario, *paths = sys.argv[1:]
    every = (streams, shared_streams, front_end, breaks, seam, owners)
    scenarios = {each.__name__: each for each in every}
    scenarios[scenario](*map(Path, paths))
    print("done")
