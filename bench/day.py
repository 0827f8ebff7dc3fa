"""A device's day at full speed: visitors, and silence between them."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import numpy.typing as npt

import edgeser
from bench.parts import GROWTH, HOP, SLOWER, Memory, Part, Samples, until
from bench.sound import RATE

SESSIONS = 5  # different ones, repeated


def session(sound: Samples, seed: int) -> npt.NDArray[np.int16]:
    """A visitor comes, speaks with pauses, and leaves; then minutes without anybody."""
    draw = np.random.default_rng(seed)
    pieces = []
    for _ in range(draw.integers(5, 20)):
        start = draw.integers(len(sound) // 2)
        spoken = sound[start : start + draw.integers(RATE, 8 * RATE)]
        pieces += [spoken * 10 ** draw.uniform(-1.5, 0), np.zeros(draw.integers(RATE, 4 * RATE))]
    left = draw.integers(60, 400) * RATE
    # A room at night has noise, or a noise gate turns it into digital silence.
    pieces.append(draw.normal(0, 1e-4, left) if seed % 2 else np.zeros(left))
    return (np.concatenate(pieces) * 32767).astype(np.int16)


def sessions(model: edgeser.Model, sound: Samples, seconds: float, hours: float) -> Part:
    """A device's day: visitors and silence; repeated sessions must give equal results."""
    kinds = [session(sound, seed) for seed in range(SESSIONS)]
    first: dict[int, str] = {}
    frames: list[edgeser.EmotionFrame] = []
    utterances = edgeser.Utterances(model, RATE, on_frame=frames.append)
    memory, said, held = Memory(seconds), 0, True
    paces, lengths = list[float](), list[float]()
    for count in until(seconds, hours, lambda: sum(lengths) / 3600):
        which, heard = count % SESSIONS, sum(lengths)
        digest = hashlib.sha256()
        began = time.process_time()
        for at in range(0, len(kinds[which]), 16 * HOP):
            events = utterances.process(kinds[which][at : at + 16 * HOP])
            said += sum(isinstance(event, edgeser.Utterance) for event in events)
            for frame in frames:
                values = (frame.level, frame.speech, *frame.probabilities.values())
                held = held and bool(np.isfinite(values).all())
                digest.update(repr((frame.label, values)).encode())
                # Times of events go on after a flush; a stream's position begins anew.
                digest.update(f"{frame.time - heard:.7f}".encode())
            frames.clear()
        utterances.flush()
        utterances.new_speaker()  # else the next one is judged by what this one was like
        frames.clear()
        lengths.append(len(kinds[which]) / RATE)
        paces.append(lengths[-1] / (time.process_time() - began))
        held = held and digest.hexdigest() == first.setdefault(which, digest.hexdigest())
        memory.look()
    growth = memory.growth
    # Each round of sessions is the same work.
    rounds = [float(np.mean(paces[n : n + SESSIONS])) for n in range(0, len(paces), SESSIONS)][:-1]
    pace = f"{np.median(paces):.0f} times as fast as real time"
    if len(rounds) > 8:
        early, late = np.median(rounds[: len(rounds) // 4]), np.median(rounds[-len(rounds) // 4 :])
        held = held and late > early / SLOWER
        pace += f", {late / early:.2f} of the first pace at the end"
    return Part(
        "a day of visitors",
        f"{sum(lengths) / 3600:.1f} hours of audio in {len(paces)} sessions, {said:,} utterances; "
        f"{pace}; "
        f"{'each session with the same bits as at first' if held else 'not always the same'}",
        growth,
        held and said > 0 and growth < GROWTH,
    )
