"""libedgeser, built, installed and used as its documentation says, and held against Python.

``tests/sdk/test_one_core.py`` holds the bits of both, and states that go from one to the other.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import edgeser
from edgeser.loading import DEFAULT_BUNDLE
from tests import native

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guides" / "c-api.md").read_text(encoding="utf-8")
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_, WITH_CMAKE, WITH_PKG_CONFIG = COMMANDS.findall(PAGE)
INSTALLED = ROOT / "build" / "installed"
PROGRAMS = {  # how they were built, to where they are
    "cmake": (ROOT / "build/example-c/hear", ROOT / "build/example-cpp/streams"),
    "pkg-config": (ROOT / "build/hear", ROOT / "build/streams"),
}
SAMPLE = DEFAULT_BUNDLE.parents[1] / "samples" / "voices.ogg"

# CMake comes with the package index, into the environment of this very Python.
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "LD_LIBRARY_PATH": str(INSTALLED / "lib"),
}


@pytest.fixture(scope="module", params=["cmake", "pkg-config"])
def programs(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """Both examples, built by the page's second block of commands or by its third."""
    native.library()
    if request.param == "pkg-config" and shutil.which("pkg-config") is None:
        pytest.skip("there is no pkg-config here")
    commands = WITH_CMAKE if request.param == "cmake" else WITH_PKG_CONFIG
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return PROGRAMS[request.param]


@pytest.fixture(scope="module")
def sample() -> tuple[npt.NDArray[np.int16], int]:
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    return samples, rate


def run(*command: object, stdin: bytes = b"", fails: bool = False) -> str:
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, input=stdin, env=ENVIRONMENT, capture_output=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr.decode()
    return (done.stderr if fails else done.stdout).decode()


def test_the_c_program_says_what_python_says(
    programs: tuple[Path, Path], sample: tuple[npt.NDArray[np.int16], int]
) -> None:
    samples, rate = sample
    lines = run(programs[0], DEFAULT_BUNDLE, rate, stdin=samples.tobytes()).splitlines()
    utterances = edgeser.Utterances(edgeser.load(), rate)
    events = [*utterances.process(samples), *utterances.flush()]
    said = [e for e in events if isinstance(e, edgeser.Utterance)]
    assert len(said) > 1
    assert [line for line in lines if line.startswith("utterance")] == [
        f"utterance {one.start:.3f} {one.end:.3f} {one.label or '-'}" for one in said
    ]


def test_the_cpp_program_says_what_python_says(
    programs: tuple[Path, Path], sample: tuple[npt.NDArray[np.int16], int], tmp_path: Path
) -> None:
    samples, rate = sample
    sounds = [
        (samples[start * rate :] / np.float32(32768)).astype(np.float32) for start in (0, 3, 5)
    ]
    paths = [tmp_path / f"{n}.f32" for n in range(len(sounds))]
    for path, sound in zip(paths, sounds, strict=True):
        path.write_bytes(sound.tobytes())
    lines = [line.split() for line in run(programs[1], DEFAULT_BUNDLE, rate, *paths).splitlines()]
    model = edgeser.load()
    for path, sound in zip(paths, sounds, strict=True):
        frames = model.stream(rate).process(sound)
        own = [line[1:] for line in lines if line[0] == str(path)]
        assert own == [
            [
                f"{frame.time:.3f}",
                frame.label or "-",
                *(f"{p:.6f}" for p in frame.probabilities.values()),
                f"{frame.speech:.6f}",
            ]
            for frame in frames
        ]


def test_programs_say_how_they_are_used_and_what_is_wrong(programs: tuple[Path, Path]) -> None:
    for program in programs:
        assert "usage" in run(program, fails=True)
    said = run(programs[0], "/no/such/bundle.edgeser", 16_000, fails=True)
    assert "EDGESER_BAD_BUNDLE" in said
    assert "/no/such/bundle.edgeser" in said
    assert "8000 to 192000" in run(programs[0], DEFAULT_BUNDLE, 7, fails=True)
