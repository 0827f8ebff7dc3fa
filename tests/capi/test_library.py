"""libedgeser, built, installed and used as documented, compared with Python."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import edgeser
from edgeser.bundle.paths import DEFAULT_BUNDLE
from tests import toy
from tests.bundle.broken import BROKEN
from tests.native import INSTALLED, Frame, Results, build

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guides" / "c-api.md").read_text(encoding="utf-8")
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_, WITH_CMAKE, WITH_PKG_CONFIG = COMMANDS.findall(PAGE)
PROGRAMS = {  # how they were built, to where they are
    "cmake": (ROOT / "build/example-c/hear", ROOT / "build/example-cpp/streams"),
    "pkg-config": (ROOT / "build/hear", ROOT / "build/streams"),
}
SAMPLE = DEFAULT_BUNDLE.parents[1] / "samples" / "voices.ogg"
MODEL = INSTALLED / "share" / "edgeser" / "default.edgeser"

# CMake comes with the package index, into the environment of this very Python.
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "LD_LIBRARY_PATH": str(INSTALLED / "lib"),
}

pytestmark = pytest.mark.skipif(
    shutil.which("c++") is None or shutil.which("cmake", path=ENVIRONMENT["PATH"]) is None,
    reason="there is no C++ compiler or no CMake here",
)


def shell(commands: str, folder: Path = ROOT) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed() -> Path:
    """Where the first block of commands on the page installs to."""
    return build()


@pytest.fixture(scope="module", params=["cmake", "pkg-config"])
def programs(installed: Path, request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """Both examples, built by the next block or by the one after that."""
    assert installed.is_dir()
    if request.param == "pkg-config" and shutil.which("pkg-config") is None:
        pytest.skip("there is no pkg-config here")
    shell(WITH_CMAKE if request.param == "cmake" else WITH_PKG_CONFIG)
    return PROGRAMS[request.param]


def run(*command: object, stdin: bytes = b"") -> list[list[str]]:
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, input=stdin, env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [line.split() for line in done.stdout.decode().splitlines()]


def test_the_c_program_says_what_python_says(programs: tuple[Path, Path]) -> None:
    once, rate = soundfile.read(SAMPLE, dtype="int16")
    samples = np.tile(once, 2)
    lines = run(programs[0], MODEL, rate, stdin=samples.tobytes())
    frames: list[edgeser.EmotionFrame] = []
    utterances = edgeser.Utterances(edgeser.load(), rate, on_frame=frames.append)
    events = [*utterances.process(samples), *utterances.flush()]
    assert [line for line in lines if line[0] != "utterance"] == [
        [f"{frame.time:.3f}", frame.label, f"{frame.confidence:.3f}"]
        for frame in frames
        if frame.label is not None
    ]
    assert [line[1:] for line in lines if line[0] == "utterance"] == [
        [f"{event.start:.3f}", f"{event.end:.3f}", event.label or "-"]
        for event in events
        if isinstance(event, edgeser.Utterance)
    ]
    assert len(lines) > 20


def test_the_cpp_program_says_what_python_says(programs: tuple[Path, Path], tmp_path: Path) -> None:
    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    expected: list[tuple[str, edgeser.EmotionFrame]] = []
    for number, seconds in enumerate((9, 4, 6)):
        part = samples[2 * rate * number :][: seconds * rate]
        file = tmp_path / f"{number}.f32"
        file.write_bytes(part.tobytes())
        frames = edgeser.load().stream(rate).process(part)
        expected += [(str(file), frame) for frame in frames]
    lines = run(programs[1], MODEL, rate, *sorted(tmp_path.glob("*.f32")))
    assert len(lines) == len(expected) > 100
    # One stream's lines come among the others'.
    for (path, time, label, *values), (name, frame) in zip(
        sorted(lines, key=lambda line: line[0]), expected, strict=True
    ):
        assert (path, time, label) == (name, f"{frame.time:.3f}", frame.label or "-")
        told = [*frame.probabilities.values(), frame.speech]
        assert [float(value) for value in values] == pytest.approx(told, abs=1e-6)


class Ear:
    """A stream of the C library with Python's interface, new or resumed."""

    def __init__(
        self, library: ctypes.CDLL, bundle: Path, rate: int, saved: bytes | None = None
    ) -> None:
        self._library, self.error = library, ctypes.create_string_buffer(512)
        self._model, self._stream = ctypes.c_void_p(), ctypes.c_void_p()
        library.edgeser_stream_most_frames.restype = ctypes.c_size_t
        library.edgeser_stream_saved_size.restype = ctypes.c_size_t
        path = str(bundle).encode()
        assert library.edgeser_model_open(path, ctypes.byref(self._model), self.error) == 0
        stream = ctypes.byref(self._stream)
        if saved is None:
            self.status = library.edgeser_stream_open(
                self._model, ctypes.c_size_t(rate), None, stream, self.error
            )
        else:
            size = ctypes.c_size_t(len(saved))
            self.status = library.edgeser_stream_resume(
                self._model, saved, size, None, stream, self.error
            )

    def process(self, samples: npt.NDArray[np.float32], room: int | None = None) -> list[Frame]:
        """Frames; ``status`` and ``error`` are of this call."""
        count = ctypes.c_size_t(len(samples))
        most = self._library.edgeser_stream_most_frames(self._stream, count)
        results = self._results(most if room is None else room)
        self.status = self._library.edgeser_stream_process(
            self._stream,
            samples.ctypes.data_as(ctypes.c_void_p),
            count,
            ctypes.c_size_t(1),
            ctypes.byref(results),
            self.error,
        )
        return list(results.frames[: results.frame_count])

    def flush(self) -> list[Frame]:
        results = self._results(self._library.edgeser_stream_most_frames(self._stream, 0))
        self.status = self._library.edgeser_stream_flush(
            self._stream, ctypes.byref(results), None, None, self.error
        )
        return list(results.frames[: results.frame_count])

    def save(self) -> bytes:
        bytes_ = ctypes.create_string_buffer(self._library.edgeser_stream_saved_size(self._stream))
        size = ctypes.c_size_t(len(bytes_))
        assert self._library.edgeser_stream_save(self._stream, bytes_, size, self.error) == 0
        return bytes_.raw

    def close(self) -> None:
        self._library.edgeser_stream_close(self._stream)
        self._library.edgeser_model_close(self._model)

    def _results(self, room: int) -> Results:
        return Results(frames=(Frame * max(1, room))(), frame_room=room)


@pytest.fixture
def ear(installed: Path) -> Iterator[Callable[..., Ear]]:
    library = ctypes.CDLL(str(installed / "lib" / "libedgeser.so"))
    library.edgeser_model_close.argtypes = [ctypes.c_void_p]
    library.edgeser_stream_close.argtypes = [ctypes.c_void_p]
    made: list[Ear] = []

    def make(rate: int, bundle: Path = DEFAULT_BUNDLE, saved: bytes | None = None) -> Ear:
        made.append(Ear(library, bundle, rate, saved))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_sound_in_any_chunks_gives_the_bits_that_python_gives(
    ear: Callable[..., Ear], rate: int
) -> None:
    samples, recorded = soundfile.read(SAMPLE, dtype="float32")
    sound = np.resize(samples, 4 * rate).astype(np.float32)
    del recorded  # at whatever rate it is played
    stream, model = edgeser.load().stream(rate), edgeser.load()
    expected = [*stream.process(sound), *stream.flush().frames]
    ours, draw = ear(rate), np.random.default_rng(rate)
    for attempt in range(2):
        if attempt:  # after a flush it is fresh but for the speaker, of whom this one knows nothing
            ours = ear(rate)
        frames, rest = [], sound
        while rest.size:
            part, rest = np.split(rest, [draw.choice([1, 160, 999, 30_000])])
            frames += ours.process(np.ascontiguousarray(part))
        frames += ours.flush()
        labels = [None if f.label < 0 else model.labels[f.label] for f in frames]
        assert labels == [f.label for f in expected]
        assert [f.time for f in frames] == pytest.approx([f.time for f in expected], abs=1e-12)
        assert [f.speech for f in frames] == [f.speech for f in expected]
        assert [f.level for f in frames] == [f.level for f in expected]


def test_what_python_has_saved_the_library_goes_on_with(ear: Callable[..., Ear]) -> None:
    samples, _ = soundfile.read(SAMPLE, dtype="float32")
    first, rest = samples[:50_000], np.ascontiguousarray(samples[50_000:90_000])
    model = edgeser.load()
    theirs = model.stream(22_050)
    theirs.process(first)
    ours = ear(22_050, saved=theirs.state())
    assert ours.status == 0
    assert ours.save() == theirs.state()
    assert [f.speech for f in ours.process(rest)] == [f.speech for f in theirs.process(rest)]
    again = model.resume(ours.save())
    assert again.state() == theirs.state() == ours.save()


def test_what_a_stream_refuses_it_has_not_taken(ear: Callable[..., Ear], tmp_path: Path) -> None:
    samples, _ = soundfile.read(SAMPLE, dtype="float32")
    plain, disturbed = ear(22_050), ear(22_050)
    for at in range(0, 60_000, 6_000):
        part = np.ascontiguousarray(samples[at : at + 6_000])
        for bad, room, said in (
            (np.full(5, np.nan, np.float32), None, "sample 0 of the chunk is NaN"),
            (np.full(5, 30_000, np.float32), None, "this looks like int16 scale; divide by 32768"),
            (part, 0, "there is room for 0 frames and"),
        ):
            assert disturbed.process(bad, room) == []
            assert disturbed.status == 1
            assert said in disturbed.error.value.decode()
        pairs = zip(plain.process(part), disturbed.process(part), strict=True)
        assert all(bytes(one) == bytes(other) for one, other in pairs)
    for rate in (0, 7_999, 192_001):
        refused = ear(rate)
        assert refused.status == 1
        assert f"a sample rate of {rate} Hz is outside" in refused.error.value.decode()
    graph = ear(16_000, toy.write(tmp_path / "graph.edgeser", layers=False))
    assert graph.status == 2
    assert "runs no ONNX graph" in graph.error.value.decode()


def test_programs_name_what_is_wrong(programs: tuple[Path, Path]) -> None:
    done = subprocess.run(
        [programs[0], "none.edgeser", "16000"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "model: none.edgeser: there is no such file (EDGESER_BAD_BUNDLE)\n"


def test_what_is_installed_can_be_moved(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(installed, tmp_path / "elsewhere", symlinks=True)
    shell(f"cmake -S {ROOT}/examples/c -B . -DCMAKE_PREFIX_PATH={tmp_path}/elsewhere", tmp_path)
    cache = (tmp_path / "CMakeCache.txt").read_text()
    assert f"edgeser_DIR:PATH={tmp_path}/elsewhere/lib/cmake/edgeser" in cache
    shell("cmake --build .", tmp_path)
    if shutil.which("pkg-config"):
        found = f"PKG_CONFIG_PATH={tmp_path}/elsewhere/lib/pkgconfig pkg-config"
        shell(f'test -f "$({found} --variable=model edgeser)"')
        shell(f"test -f $({found} --variable=includedir edgeser)/edgeser.h")
    for text in (tmp_path / "elsewhere").rglob("*.cmake"):
        assert str(ROOT) not in text.read_text()


def test_the_version_is_that_of_the_package(installed: Path) -> None:
    header = (installed / "include" / "edgeser.h").read_text()
    parts = re.findall(r"EDGESER_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header)
    assert ".".join(parts) == edgeser.__version__


@pytest.fixture(scope="module")
def open_bundle(installed: Path) -> Callable[[bytes], tuple[int, str]]:
    """Opens a bundle's bytes with the library; returns status and message."""
    library = ctypes.CDLL(str(installed / "lib" / "libedgeser.so"))
    library.edgeser_model_close.argtypes = [ctypes.c_void_p]

    def attempt(bundle: bytes) -> tuple[int, str]:
        model, error = ctypes.c_void_p(), ctypes.create_string_buffer(512)
        status = library.edgeser_model_open_memory(
            bundle, ctypes.c_size_t(len(bundle)), ctypes.byref(model), error
        )
        assert bool(model) == (status == 0)
        library.edgeser_model_close(model)
        return status, error.value.decode()

    return attempt


# The library runs no graph, so where the layers are told it looks at none.
NAMES = list(BROKEN)
REFUSED = [n for n in NAMES[: NAMES.index("garbage for a graph")] if n != "a rewritten front end"]


@pytest.mark.parametrize("name", REFUSED)
def test_broken_bundles_are_refused(
    name: str, toy_path: Path, open_bundle: Callable[[bytes], tuple[int, str]]
) -> None:
    good = toy_path.read_bytes()
    assert open_bundle(good) == (0, "")
    status, said = open_bundle(BROKEN[name][0](good))
    assert status == 2, said
    assert said.startswith("bytes: ")
    assert len(said) > 20


def test_another_model_can_be_opened(
    open_bundle: Callable[[bytes], tuple[int, str]], tmp_path: Path
) -> None:
    assert open_bundle(toy.write(tmp_path / "toy", seed=3).read_bytes()) == (0, "")
