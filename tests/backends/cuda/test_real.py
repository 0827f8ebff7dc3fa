"""On a real GPU, if there is one: results equal those on the CPU.

Needs ``cuda.core`` and, to compile the kernels for whatever GPU that is, Triton.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser.backends.cuda.driver import CudaDevice
from edgeser.backends.cuda.engine import CudaEngine
from edgeser.backends.cuda.factory import PRECISIONS, open_cuda
from edgeser.backends.cuda.runtime import BATCH_SIZES
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.model import Model
from edgeser.options import Precision
from edgeser.results import EmotionFrame
from tests.backends.cuda import near
from tests.backends.cuda.real import why_no_gpu
from tests.sounds import Samples, noise, push, speech_like, whole

HOP = 2048


@dataclass
class Both:
    """A model on the GPU and on the CPU."""

    path: Path
    kernels: Path
    cache: Path

    def on_gpu(self, precision: Precision = "float32") -> tuple[Model, CudaEngine]:
        engine = open_cuda(read_bundle(self.path), self.kernels, precision, cache=self.cache)
        return Model(engine), engine

    def clear(
        self, seconds: float, rate: int = 16_000, count: int = 1, times: int = 1
    ) -> list[Samples]:
        """Sounds of which frames can be compared, each also if heard so many times in a row."""

        def make(seed: int) -> Samples:
            return np.tile(speech_like(seconds, rate, seed), times)

        found = near.clear(read_bundle(self.path), make, rate, count)
        return [sound[: len(sound) // times] for sound in found]

    def on_cpu(self, precision: Precision = "float32") -> edgeser.Model:
        return edgeser.load(self.path, precision=precision)


@pytest.fixture(scope="module", params=["toy", "bundled"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    why = why_no_gpu()
    if why is not None:
        pytest.skip(why)
    pytest.importorskip("triton")
    toy = request.param == "toy"
    path: Path = request.getfixturevalue("toy_path") if toy else DEFAULT_BUNDLE
    major, minor = CudaDevice().capability
    folder = tmp_path_factory.mktemp("kernels")
    compile_in_a_process_of_its_own(path, f"sm_{major}{minor}", folder)
    return Both(path, folder, tmp_path_factory.mktemp("engines"))


_COMPILED = """
import sys
from pathlib import Path
from edgeser.bundle import read_bundle
from edgeser.backends.cuda.triton.compile import compile_bundle
path, target, folder, *precisions = sys.argv[1:]
compile_bundle(read_bundle(path), [target], precisions, Path(folder))
"""


def compile_in_a_process_of_its_own(path: Path, target: str, folder: Path) -> None:
    """Triton decides only once whether it compiles or interprets."""
    subprocess.run(
        [sys.executable, "-c", _COMPILED, path, target, folder, *PRECISIONS.values()],
        check=True,
        timeout=300,
        env={name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"},
    )


def assert_close(
    found: Sequence[EmotionFrame], wanted: Sequence[EmotionFrame], tolerance: float = 1e-4
) -> None:
    """For sounds without near ties of codes: see ``near.py``."""
    assert [frame.time for frame in found] == [frame.time for frame in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.level == pytest.approx(other.level, abs=1e-3)
        assert one.speech == pytest.approx(other.speech, abs=tolerance)
        assert one.probabilities == pytest.approx(other.probabilities, abs=tolerance)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_steps_are_those_of_the_cpu_but_for_codes_equally_near(
    both: Both, precision: Precision
) -> None:
    model, engine = both.on_gpu(precision)
    assert model.backend == "cuda"
    near.assert_steps(engine, speech_like(20.0), precision)


def test_frames_are_those_of_the_cpu(both: Both) -> None:
    [sound] = both.clear(8.0, 44_100)
    model, _ = both.on_gpu()
    found = whole(model.stream(44_100), sound)
    assert_close(found, whole(both.on_cpu().stream(44_100), sound))


def test_chunking_never_matters(both: Both) -> None:
    model, _ = both.on_gpu()
    sound = speech_like(3.0)
    wanted = whole(model.stream(16_000), sound)
    for chunk in (160, 9_999):
        stream = model.stream(16_000)
        assert push(stream, sound, chunk) + list(stream.flush().frames) == wanted


def test_streams_of_different_ages_share_batches_of_every_size(both: Both) -> None:
    model, engine = both.on_gpu()
    cpu = both.on_cpu()
    pool, most = model.pool(), BATCH_SIZES[-1] + 3
    streams = [pool.stream(16_000) for _ in range(most)]
    bundle = read_bundle(both.path)
    few = near.clear(bundle, lambda seed: noise(5 * HOP, seed=seed), 16_000, 16)
    sounds = [few[i % len(few)] for i in range(most)]
    heard: list[list[EmotionFrame]] = [[] for _ in range(most)]
    for count in (2, 7, 40, most, most):  # the later, the younger
        rows = range(count)
        part = {streams[i]: sounds[i][HOP * len(heard[i]) :][:HOP] for i in rows}
        for i, frames in enumerate(pool.process(part).values()):
            heard[i] += frames
    assert set(BATCH_SIZES[1:]) <= set(engine.runtime.recorded[0])
    for frames, sound in zip(heard, sounds, strict=True):
        assert_close(frames, cpu.stream(16_000).process(sound[: HOP * len(frames)]))
    assert {len(frames) for frames in heard} == {5, 4, 3, 2}


def test_a_stream_moves_between_gpu_and_cpu(both: Both) -> None:
    model, _ = both.on_gpu()
    cpu = both.on_cpu()
    sound = np.tile(both.clear(20 * HOP / 16_000, times=28)[0], 28)  # longer than its memory
    stream, found = cpu.stream(16_000), []
    for part, where in zip(np.array_split(sound, 6), (model, cpu) * 3, strict=True):
        stream = where.resume(stream.state())
        found += stream.process(part)
        assert stream.state() == stream.state()
    assert_close(found, cpu.stream(16_000).process(sound))


def test_threads_take_turns(both: Both) -> None:
    model, _ = both.on_gpu()
    cpu = both.on_cpu()
    sounds = both.clear(3.0, count=4)
    found: dict[int, list[EmotionFrame]] = {}

    def run(i: int) -> None:
        found[i] = push(model.stream(16_000), sounds[i], 3_000)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, sound in enumerate(sounds):
        assert_close(found[i], push(cpu.stream(16_000), sound, 3_000))


_POISONED = """
import logging, sys
import numpy as np
import edgeser
from edgeser.bundle import read_bundle
from edgeser.backends.cuda.factory import open_auto
from edgeser.model import Model
path, kernels, cache = sys.argv[1:]
from pathlib import Path
logging.basicConfig(format="%(levelname)s %(message)s")
engine = open_auto(read_bundle(path), Path(kernels), "float32", cache=Path(cache))
model, cpu = Model(engine), edgeser.load(path)
sound = (0.05 * np.random.default_rng(0).standard_normal(40 * 2048)).astype(np.float32)
stream = model.stream(16_000)
heard = stream.process(sound[: 30 * 2048])
assert model.backend == "cuda"
runtime = engine.runtime
runtime._kernels._weights = {  # nowhere
    name: dict.fromkeys(places, 4096) for name, places in runtime._kernels._weights.items()
}
runtime._lookups.clear()
runtime._steps.clear()
heard += stream.process(sound[30 * 2048 :])
assert model.backend == "cpu"
wanted = cpu.stream(16_000).process(sound)
for one, other in zip(heard, wanted, strict=True):
    assert abs(one.speech - other.speech) < 1e-4, (one, other)
assert len(model.stream(16_000).process(sound)) == 40
try:
    edgeser.load(path, backend="cuda", kernels=kernels)
except edgeser.BackendError as error:
    print("then:", error)
"""


def test_a_kernel_that_goes_astray_costs_no_stream_anything(both: Both) -> None:
    """In a subprocess for which CUDA has no GPU any more."""
    done = subprocess.run(
        [sys.executable, "-c", _POISONED, str(both.path), str(both.kernels), str(both.cache)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("streams go on on the CPU: the GPU failed") == 1
    assert "then: " in done.stdout
