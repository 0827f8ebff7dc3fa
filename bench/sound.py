"""The recording for all benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import edgeser

RATE = 16_000
_SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"


def recording() -> npt.NDArray[np.float32]:
    """The bundled sample, mono at 16 kHz."""
    import soundfile
    import soxr

    samples, rate = soundfile.read(_SAMPLE, dtype="float32")
    resampled: npt.NDArray[np.float32] = soxr.resample(samples, rate, RATE).astype(np.float32)
    return resampled
