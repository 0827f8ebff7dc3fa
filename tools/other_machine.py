"""One recording on two machines: do they hear the same, and does a stream move between them?

``python tools/other_machine.py write sound.flac FILE`` on the one, and on the other
``python tools/other_machine.py check FILE``.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import soundfile

import edgeser

MOST = 1e-4
"""By how much probabilities may differ: the promise of backends that agree."""


def probabilities(frames: list[edgeser.EmotionFrame]) -> npt.NDArray[np.float64]:
    """(frames, labels + 1), the last column that of speech."""
    return np.array([[*frame.probabilities.values(), frame.speech] for frame in frames])


def write(sound: str, file: str) -> None:
    """Keep the sound, a stream's state in the middle of it, and all frames."""
    samples, rate = soundfile.read(sound, dtype="float32")
    stream = edgeser.load().stream(rate)
    frames = stream.process(samples[: len(samples) // 2])
    state = np.frombuffer(stream.state(), np.uint8)
    frames += stream.process(samples[len(samples) // 2 :])
    np.savez(file, samples=samples, rate=rate, state=state, frames=probabilities(frames))


def check(file: str) -> None:
    """Hear the sound again from its beginning, and from the state on."""
    kept = np.load(file)
    samples, wanted = kept["samples"], kept["frames"]
    model = edgeser.load()
    whole = probabilities(model.stream(int(kept["rate"])).process(samples))
    resumed = model.resume(kept["state"].tobytes())
    rest = probabilities(resumed.process(samples[len(samples) // 2 :]))
    for what, heard in (("from its beginning", whole), ("from the middle", rest)):
        error = float(np.abs(heard - wanted[-len(heard) :]).max())
        print(f"{len(heard)} frames {what}: probabilities differ by at most {error:.2g}")
        if not error <= MOST:
            sys.exit(f"more than {MOST:g}")


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](*sys.argv[2:])
