"""The C library, built and installed as docs/guides/c-api.md says, and called through ctypes."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

import edgeser

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guides" / "c-api.md"
INSTALLED = ROOT / "build" / "installed"


class Error(ctypes.Structure):
    """edgeser_error."""

    _fields_ = (("message", ctypes.c_char * 512),)


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL:
    """libedgeser.so, built when it is first asked for; skips the test where that cannot be."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if shutil.which("c++") is None or shutil.which("cmake", path=path) is None:
        pytest.skip("there is no C++ compiler or no CMake here")
    build = re.search(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert build
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", build[1]],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
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
