"""``edgeser`` as a user runs it: in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest
import soundfile

from tests.sounds import speech_like


def run(
    *arguments: object, stdin: IO[bytes] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``edgeser`` with plain, wide output."""
    return subprocess.run(
        [sys.executable, "-m", "edgeser", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=stdin,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", **environment},
    )


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Four seconds of speech-like sound."""
    path = tmp_path / "sound.wav"
    soundfile.write(path, speech_like(4.0), 16_000)
    return path
