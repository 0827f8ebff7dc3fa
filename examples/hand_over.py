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


def main(recording: Path, *, rest: bool) -> int:
    """One of the two processes; its exit code."""
    if rest:
        second_half(recording, sys.stdin.buffer.read())
        return 0
    command = [sys.executable, __file__, str(recording), "--rest"]
    return subprocess.run(command, input=first_half(recording), check=False).returncode  # noqa: S603


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or sys.argv[2:] not in ([], ["--rest"]):
        raise SystemExit("usage: python hand_over.py RECORDING")
    try:
        raise SystemExit(main(Path(sys.argv[1]), rest=sys.argv[2:] == ["--rest"]))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (edgeser.EdgeserError, soundfile.SoundFileError) as error:
        raise SystemExit(f"hand_over: {error}") from None
