"""A real browser whose microphone receives a recording in a loop."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import edgeser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"


@contextmanager
def browsing(folder: Path, *, spoken: float = 6, quiet: float = 3) -> Iterator[Any]:
    """Chromium with a microphone that alternates between parts of the sample and silence.

    Pages get the microphone only if the caller grants it; there is no prompt.
    """
    from playwright.sync_api import sync_playwright

    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    silence = np.zeros(round(quiet * rate), np.int16)
    soundfile.write(
        folder / "voice.wav", np.concatenate([samples[: round(spoken * rate)], silence]), rate
    )
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
                "--use-fake-device-for-media-capture",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={folder / 'voice.wav'}",
            ],
        )
        yield browser
        browser.close()
