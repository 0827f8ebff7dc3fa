"""``stream.process`` as a whole in hops of 128 ms: compared with openSMILE, in pools, on two cores.

Answers are not compared: openSMILE computes something else, and tests check that streams and pools
agree.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

import edgeser
from bench.sound import RATE, recording
from bench.worker import Contestant, Entry
from edgeser import _kernels

Samples = npt.NDArray[np.float32]
POOLS = (1, 4, 16, 64, 256)
PRECISIONS = ("bfloat16", "int8")


def whole() -> list[Entry]:
    """One recording: our stream, its compiled parts alone, openSMILE."""
    return [
        Entry("edgeser", f"{__name__}:streamed"),
        *(
            Entry(f"edgeser {precision}", f"{__name__}:streamed", {"precision": precision})
            for precision in PRECISIONS
        ),
        Entry("compiled parts alone", f"{__name__}:compiled_parts"),
        Entry("openSMILE eGeMAPS", f"{__name__}:open_smile"),
    ]


def pools() -> list[Entry]:
    """One hop of one stream, and of several in a pool."""
    return [
        Entry("stream", f"{__name__}:one_hop"),
        *(Entry(f"pool of {n}", f"{__name__}:pool_hop", {"streams": n}) for n in POOLS),
    ]


def cores() -> list[Entry]:
    """The same work on one thread and on each of two; and work that needs nothing but a core."""
    return [
        Entry(f"{what}, {threads}", f"{__name__}:{what}_on_threads", {"threads": threads})
        for what in ("stream", "kernel")
        for threads in (1, 2)
    ]


def _done(call: Callable[[], object]) -> Contestant:
    call()
    return Contestant(call, np.empty(0))


def _hops(model: edgeser.Model) -> list[Samples]:
    sound, hop = recording(), round(model.hop * RATE)
    return [sound[start : start + hop] for start in range(0, len(sound) - hop + 1, hop)]


def streamed(**options: Any) -> Contestant:
    """The recording through one stream."""
    model = edgeser.load(**options)
    return _done(_through(model, _hops(model)))


def _through(model: edgeser.Model, hops: list[Samples]) -> Callable[[], None]:
    def call() -> None:
        stream = model.stream(RATE)
        for hop in hops:
            stream.process(hop)

    return call


def compiled_parts() -> Contestant:
    """Only the kernels' calls of a stream."""
    model = edgeser.load()
    engine, hops = model._engine, _hops(model)
    sizes = engine.bundle.manifest.sizes
    sound = recording()
    segments = [sound[at : at + sizes.segment] for at in range(0, len(sound), sizes.hop)]
    segments = [segment for segment in segments if segment.size == sizes.segment]
    segments += segments[: len(hops) - len(segments)]
    level = np.full(1, -30.0, np.float32)
    core = engine.core
    states = [np.zeros(core.tacn.state_bytes, np.uint8)]
    assert core.front_end is not None, "the default bundle tells its layers"
    step = _kernels.Step(core.front_end, core.fusion, core.tacn)

    def call() -> None:
        for segment in segments:
            step([segment], level, states)

    return _done(call)


def open_smile() -> Contestant:
    """EGeMAPS functionals of the recording. Install openSMILE by hand, for its licence."""
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    sound = recording()
    return _done(lambda: smile.process_signal(sound, RATE))


def one_hop() -> Contestant:
    """One stream, one hop after another."""
    model = edgeser.load()
    stream, hops, turn = model.stream(RATE), _hops(model), [0]

    def call() -> None:
        turn[0] += 1
        stream.process(hops[turn[0] % len(hops)])

    return _done(call)


def pool_hop(streams: int) -> Contestant:
    """One hop of every stream of a pool."""
    model = edgeser.load()
    pool, hops, turn = model.pool(), _hops(model), [0]
    members = [pool.stream(RATE) for _ in range(streams)]

    def call() -> None:
        turn[0] += 1
        pool.process({m: hops[(turn[0] + i) % len(hops)] for i, m in enumerate(members)})

    return _done(call)


def _on_threads(call: Callable[[], object], threads: int) -> Contestant:
    def together() -> None:
        others = [threading.Thread(target=call) for _ in range(threads - 1)]
        for other in others:
            other.start()
        call()
        for other in others:
            other.join()

    together()
    return Contestant(together, np.empty(0), wall=True)


def stream_on_threads(threads: int) -> Contestant:
    """Streams of one shared model, each on its own thread."""
    model = edgeser.load()
    return _on_threads(_through(model, _hops(model)), threads)


def kernel_on_threads(threads: int) -> Contestant:
    """A lookup of many vectors on each thread: arithmetic in cache, without the GIL."""
    from bench.vq.contestants import edgeser as lookup

    return _on_threads(lookup(16384, lookup=True).call, threads)
