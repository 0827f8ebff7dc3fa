"""Make ``edgeser/samples/voices.ogg``: a dozen seconds of synthetic speech in several prosodies.

It needs espeak-ng (``apt-get install espeak-ng``) and soundfile, and is run once by whoever wants
another sample:

    python tools/make_sample.py

No person speaks in it, so nobody's rights or feelings are in it either: what a model makes of it
shows that the pipeline runs, not that the model is right.
"""

from __future__ import annotations

import io
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

RATE = 22_050  # espeak-ng's own; a stream resamples it
PAUSE_SECONDS = 0.7
ROOM_NOISE_DBFS = -66.0
TARGET = Path(__file__).parent.parent / "edgeser" / "samples" / "voices.ogg"


@dataclass(frozen=True)
class Line:
    """One sentence and how it is said; the four numbers are espeak-ng's own units."""

    voice: str
    words: int
    """Words a minute."""
    pitch: int
    """0 to 99; 50 is the voice's own."""
    range: int
    """Liveliness of the melody in per cent; 100 is the voice's own, 0 a monotone."""
    amplitude: int
    """0 to 200; 100 is the voice's own."""
    text: str


SCRIPT = (
    Line("en-us+f3", 165, 50, 90, 90, "The train to the harbour leaves at nine."),
    Line("en-us+f3", 200, 85, 220, 140, "You came back! Oh, that is wonderful, come in!"),
    Line("en-gb+m3", 105, 22, 30, 60, "Nobody has called. I suppose it is over."),
    Line("en-gb+m3", 215, 62, 170, 195, "No! I told you to stop that right now!"),
)


def say(line: Line) -> npt.NDArray[np.float64]:
    """Mono samples at RATE."""
    markup = f'<speak><prosody range="{line.range}%">{line.text}</prosody></speak>'
    command = ["espeak-ng", "-m", "--stdout", "-v", line.voice, "-s", str(line.words)]
    command += ["-p", str(line.pitch), "-a", str(line.amplitude), markup]
    wav = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603
    samples, rate = soundfile.read(io.BytesIO(wav))
    if rate != RATE:
        raise SystemExit(f"{line.voice} speaks at {rate} Hz, not {RATE}")
    spoken = np.flatnonzero(np.abs(samples) > 1e-3)
    return np.asarray(samples[spoken[0] : spoken[-1]])


def main() -> None:
    """Say the script, pauses between the lines, in a room that is never quite silent."""
    pause = np.zeros(round(PAUSE_SECONDS * RATE))
    parts = [pause]
    for line in SCRIPT:
        parts += [say(line), pause]
    sound = np.concatenate(parts)
    sound *= 0.7 / np.abs(sound).max()
    noise = np.random.default_rng(0).standard_normal(sound.size)
    sound += noise * 10 ** (ROOM_NOISE_DBFS / 20)
    TARGET.parent.mkdir(exist_ok=True)
    soundfile.write(TARGET, sound, RATE, format="OGG", subtype="VORBIS")
    print(f"{TARGET.name}: {sound.size / RATE:.1f} s, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
