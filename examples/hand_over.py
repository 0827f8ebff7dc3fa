"""A stream that moves from one process to another in the middle of a word.

``python examples/hand_over.py talk.wav`` judges the first half, hands the stream's state over as
bytes, and lets a new process judge the rest. Nothing is lost: the frames are those of one process.
"""

import subprocess
import sys
from pathlib import Path

import soundfile

import edgeser


def first_half(path: Path) -> bytes:
    """Hear half of it; what the stream knows then."""
    samples, rate = soundfile.read(path, dtype="float32")
    stream = edgeser.load().stream(rate)
    frames = stream.process(samples[: len(samples) // 2])
    print(f"first process: {len(frames)} frames", flush=True)
    return stream.state()


def second_half(path: Path, state: bytes) -> None:
    """Go on from there."""
    samples, _ = soundfile.read(path, dtype="float32")
    stream = edgeser.load().resume(state)
    frames = stream.process(samples[len(samples) // 2 :])
    verdict = stream.flush()
    count = len(frames) + len(verdict.frames)
    print(f"second process: {count} frames, {verdict.summary}", flush=True)
    print(f"{verdict.confidence:.6f}", flush=True)


if __name__ == "__main__":
    recording = Path(sys.argv[1])
    if "--rest" in sys.argv:
        second_half(recording, sys.stdin.buffer.read())
    else:
        command = [sys.executable, __file__, str(recording), "--rest"]
        subprocess.run(command, input=first_half(recording), check=True)  # noqa: S603
