"""The C library, built and installed as in docs/guides/c-api.md, and called through ctypes."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgeser

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guides" / "c-api.md"
INSTALLED = ROOT / "build" / "installed"


class Error(ctypes.Structure):
    """edgeser_error."""

    _fields_ = (("message", ctypes.c_char * 512),)


@lru_cache(maxsize=1)
def build() -> Path:
    """Builds and installs the library; returns where. Skips the test if that is not possible.

    Processes that test at the same time share one build, so they take turns.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if not PAGE.is_file():
        pytest.skip("the C library is built from the checkout, which is not here")
    if shutil.which("c++") is None or shutil.which("cmake", path=path) is None:
        pytest.skip("there is no C++ compiler or no CMake here")
    commands = re.search(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert commands
    with _alone():
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands[1]],
            cwd=ROOT,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return INSTALLED


@contextmanager
def _alone() -> Iterator[None]:
    import fcntl

    INSTALLED.parent.mkdir(exist_ok=True)
    with (INSTALLED.parent / "library.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """libedgeser.so, as :func:`build` builds it."""
    build()
    loaded = ctypes.CDLL(str(INSTALLED / "lib" / "libedgeser.so"))
    loaded.edgeser_model_close.argtypes = [ctypes.c_void_p]
    loaded.edgeser_model_close.restype = None
    loaded.edgeser_status_name.restype = ctypes.c_char_p
    return loaded


def open_model(path: Path) -> None:
    """Open a bundle and close it again. Raises BundleError with the library's message."""
    model, error = ctypes.c_void_p(), Error()
    status = library().edgeser_model_open(
        os.fsencode(path), ctypes.byref(model), ctypes.byref(error)
    )
    library().edgeser_model_close(model)
    if status:
        assert library().edgeser_status_name(status) == b"EDGESER_BAD_BUNDLE"
        raise edgeser.BundleError(error.message.decode())


class Frame(ctypes.Structure):
    """edgeser_frame."""

    _fields_ = (
        ("time", ctypes.c_double),
        ("confidence", ctypes.c_float),
        ("speech", ctypes.c_float),
        ("level", ctypes.c_float),
        ("label", ctypes.c_int32),
    )


class Results(ctypes.Structure):
    """edgeser_results."""

    _fields_ = (
        ("frames", ctypes.POINTER(Frame)),
        ("probabilities", ctypes.POINTER(ctypes.c_float)),
        ("frame_room", ctypes.c_size_t),
        ("frame_count", ctypes.c_size_t),
        ("events", ctypes.c_void_p),
        ("event_probabilities", ctypes.c_void_p),
        ("event_room", ctypes.c_size_t),
        ("event_count", ctypes.c_size_t),
    )


class Verdict(ctypes.Structure):
    """edgeser_verdict."""

    _fields_ = (
        ("duration", ctypes.c_double),
        ("speech", ctypes.c_double),
        ("confidence", ctypes.c_float),
        ("label", ctypes.c_int32),
    )


class NativeStream:
    """A stream of the C library with the interface of Python's. It is never closed."""

    def __init__(self, path: Path, labels: tuple[str, ...], rate: int, state: bytes = b"") -> None:
        self._labels = labels
        self._model, self._stream = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("edgeser_model_open", os.fsencode(path), ctypes.byref(self._model))
        if state:
            self._call(
                "edgeser_stream_resume",
                self._model,
                state,
                ctypes.c_size_t(len(state)),
                None,
                ctypes.byref(self._stream),
            )
        else:
            self._call(
                "edgeser_stream_open",
                self._model,
                ctypes.c_size_t(rate),
                None,
                ctypes.byref(self._stream),
            )

    def process(self, sound: npt.NDArray[np.float32]) -> list[edgeser.EmotionFrame]:
        """As edgeser.Stream.process, of mono float32."""
        return self._heard(
            len(sound),
            "edgeser_stream_process",
            np.ascontiguousarray(sound).ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
            ctypes.c_size_t(len(sound)),
            ctypes.c_size_t(1),
        )

    def flush(self) -> edgeser.Verdict:
        """As edgeser.Stream.flush."""
        verdict, shares = Verdict(), (ctypes.c_float * len(self._labels))()
        frames = self._heard(
            0, "edgeser_stream_flush", after=(ctypes.byref(verdict), ctypes.byref(shares))
        )
        return edgeser.Verdict(
            self._label(verdict.label),
            verdict.confidence,
            dict(zip(self._labels, shares, strict=True)),
            verdict.duration,
            verdict.speech,
            tuple(frames),
        )

    def state(self) -> bytes:
        """As edgeser.Stream.state."""
        saved_size = library().edgeser_stream_saved_size
        saved_size.restype = ctypes.c_size_t
        bytes_ = ctypes.create_string_buffer(saved_size(self._stream))
        self._call("edgeser_stream_save", self._stream, bytes_, ctypes.c_size_t(len(bytes_)))
        return bytes_.raw

    def _heard(
        self, samples: int, name: str, *arguments: object, after: tuple[object, ...] = ()
    ) -> list[edgeser.EmotionFrame]:
        most_frames = library().edgeser_stream_most_frames
        most_frames.restype = ctypes.c_size_t
        room = most_frames(self._stream, ctypes.c_size_t(samples))
        frames = (Frame * room)()
        shares = (ctypes.c_float * (room * len(self._labels)))()
        results = Results(frames=frames, probabilities=shares, frame_room=room)
        self._call(name, self._stream, *arguments, ctypes.byref(results), *after)
        rows = np.array(shares[:]).reshape(room, -1).tolist()
        return [
            edgeser.EmotionFrame(
                frame.time,
                self._label(frame.label),
                frame.confidence,
                dict(zip(self._labels, row, strict=True)),
                frame.speech,
                frame.level,
            )
            for frame, row in zip(frames[: results.frame_count], rows, strict=False)
        ]

    def _label(self, index: int) -> str | None:
        return None if index < 0 else self._labels[index]

    @staticmethod
    def _call(name: str, *arguments: object) -> None:
        error = Error()
        if getattr(library(), name)(*arguments, ctypes.byref(error)):
            raise RuntimeError(error.message.decode())
