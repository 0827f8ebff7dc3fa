"""Checks that a stream is as good in its tenth hour as in its first.

    python -m bench.endless

Ten hours of speech, pauses and noise go through one stream that is never reset and through one
``edgeser.Utterances``, faster than real time. Each hour: memory, and the time of a hop. At the end:
whether new ones, started shortly before, give the same results; and whether times are exact in
every hour.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

import edgeser
from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE, recording

Samples = npt.NDArray[np.float32]
LAST = 600.0  # seconds at the end that fresh ones hear as well
HELD = 20  # utterances of these that are held against fresh ones

PAGE = """\
# Ten hours of one stream

edgeser {version} on {machine}, {system}, Python {python}; {date}. The machine
{shared}.

{hours} hours of audio at {rate} Hz, speech with pauses and noise at changing levels, went through
one `Stream` that was never reset and through one `Utterances`, hop by hop, {speed:.0f} times as
fast as real time. The time of a hop is in microseconds, on one thread. The memory is that of the
process, which stores the last ten minutes to compare them.

## One stream, never reset

{stream}

* The size of its state is constant: {state_bytes} bytes.
* {frames} frames; the time of each is that of its last sample, to within {stream_off:.1g} samples.
* A new stream that got only the last {since:.0f} s returned the same bits from its second
  {same_after:.0f} on: loud speech makes the running level equal, and the network's memory is
  {field:.0f} s.

## Utterances

{utterances}

* {said} utterances, with a reset of the stream after each. The time of each frame is that of its
  last sample, to within {utterances_off:.1g} samples.
* For the last {held}, a new `Utterances` that got the audio since the reset before returned the
  same bits of label, probabilities and timeline; start and end agree within a microsecond.

Made by `python -m bench.endless`.
"""


@dataclass(frozen=True)
class Hour:
    """Measurements of one hour."""

    hour: int
    p50_us: float
    p99_us: float
    mib: float
    """Resident memory of the process at its end."""
    blocks: int
    """Python's own count of allocated blocks at its end."""


class Scene:
    """Endless audio that never repeats: parts of the sample at random levels and distances."""

    def __init__(self) -> None:
        self._spoken = recording()
        self._draw = np.random.default_rng(0)

    def hops(self, hop: int) -> Iterator[Samples]:
        """One hop after another."""
        rest = np.zeros(0, np.float32)
        while True:
            while len(rest) >= hop:
                yield rest[:hop]
                rest = rest[hop:]
            rest = np.concatenate((rest, self._piece()))

    def _piece(self) -> Samples:
        draw = self._draw
        start = draw.integers(len(self._spoken) // 2)
        spoken = self._spoken[start : start + draw.integers(RATE, 8 * RATE)]
        quiet = np.zeros(draw.integers(RATE // 2, 4 * RATE), np.float32)
        piece = np.concatenate((spoken * 10 ** draw.uniform(-1.5, 0), quiet)).astype(np.float32)
        floor = 10 ** draw.uniform(-4, -2.5)
        return piece + draw.normal(0, floor, len(piece)).astype(np.float32)


class Watch:
    """Times hops, and measures memory at the end of each hour."""

    def __init__(self, hops_an_hour: int) -> None:
        self._an_hour = hops_an_hour
        self._taken: list[float] = []
        self.hours: list[Hour] = []
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Adds one hop."""
        self._taken.append(seconds)
        if len(self._taken) == self._an_hour:
            microseconds = 1e6 * np.asarray(self._taken)
            self.seconds += float(np.sum(self._taken))
            self._taken.clear()
            gc.collect()
            self.hours.append(
                Hour(
                    len(self.hours) + 1,
                    float(np.median(microseconds)),
                    float(np.quantile(microseconds, 0.99)),
                    resident_mib(),
                    sys.getallocatedblocks(),
                )
            )

    def table(self) -> str:
        """The hours as a Markdown table."""
        rows = ["| hour | hop, median | hop, p99 | memory, MiB | Python blocks |"]
        rows.append("|---|---|---|---|---|")
        rows += [
            f"| {h.hour} | {h.p50_us:.0f} | {h.p99_us:.0f} | {h.mib:.1f} | {h.blocks} |"
            for h in self.hours
        ]
        return "\n".join(rows)


def resident_mib() -> float:
    """Memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def off(time: float) -> float:
    """Distance of a time from that of the nearest sample, in samples."""
    return abs(time * RATE - round(time * RATE))


def one_stream(model: edgeser.Model, hours: int) -> tuple[Watch, dict[str, float]]:
    """A stream that is never reset; returns its watch and further results.

    Raises:
        AssertionError: a new stream does not converge to the same results.
    """
    hop = round(model.hop * RATE)
    an_hour = round(3600 / model.hop)
    watch, stream = Watch(an_hour), model.stream(RATE)
    last = round(LAST / model.hop)
    sounds: deque[Samples] = deque(maxlen=last)
    frames: deque[edgeser.EmotionFrame] = deque(maxlen=last)
    size, count, worst = len(stream.state()), 0, 0.0
    for sound in islice(Scene().hops(hop), hours * an_hour):
        began = time.perf_counter()
        (frame,) = stream.process(sound)
        watch.add(time.perf_counter() - began)
        count += 1
        worst = max(worst, abs(frame.time * RATE - count * hop))
        sounds.append(sound.copy())
        frames.append(frame)
    assert len(stream.state()) == size
    fresh = model.stream(RATE)
    again = [frame for sound in sounds for frame in fresh.process(sound)]
    same = [
        replace(one, time=0) == replace(other, time=0)
        for one, other in zip(frames, again, strict=True)
    ]
    settled = len(same) - same[::-1].index(False)  # it knows less at first
    assert settled < len(same) / 2
    return watch, {
        "frames": count,
        "state_bytes": size,
        "stream_off": worst,
        "since": LAST,
        "same_after": settled * model.hop,
        "field": model.receptive_field,
    }


def by_utterances(model: edgeser.Model, hours: int) -> tuple[Watch, dict[str, float]]:
    """A stream that is reset between utterances; returns its watch and further results.

    Raises:
        AssertionError: a new one gave other results.
    """
    hop = round(model.hop * RATE)
    an_hour = round(3600 / model.hop)
    worst = 0.0

    def told(frame: edgeser.EmotionFrame) -> None:
        nonlocal worst
        worst = max(worst, off(frame.time))

    watch, utterances = Watch(an_hour), edgeser.Utterances(model, RATE, on_frame=told)
    block = hop // 4  # where a reset may fall
    said = pushed = 0
    sounds: deque[Samples] = deque(maxlen=round(4 * LAST / model.hop))
    ends: deque[tuple[int, edgeser.Utterance]] = deque(maxlen=HELD + 1)
    for sound in islice(Scene().hops(hop), hours * an_hour):
        took = 0.0
        for part in np.split(sound, 4):
            began = time.perf_counter()
            events = utterances.process(part)
            took += time.perf_counter() - began
            sounds.append(part.copy())
            pushed += 1
            ended = [event for event in events if isinstance(event, edgeser.Utterance)]
            said += len(ended)
            ends += [(pushed, event) for event in ended]
        watch.add(took)
    first = pushed - len(sounds)  # that is still there
    for (since, _), (until, heard) in pairwise(ends):
        begin = since * block / RATE
        fresh = edgeser.Utterances(model, RATE)
        events = [
            event
            for sound in islice(sounds, since - first, until - first)
            for event in fresh.process(sound)
        ]
        (alone,) = (event for event in events if isinstance(event, edgeser.Utterance))
        assert alone.verdict.probabilities == heard.verdict.probabilities
        assert (alone.label, alone.ended) == (heard.label, heard.ended)
        assert abs(alone.start + begin - heard.start) < 1e-6
        assert abs(alone.end + begin - heard.end) < 1e-6
        assert [f.probabilities for f in alone.timeline] == [
            f.probabilities for f in heard.timeline
        ]
    return watch, {"said": said, "utterances_off": worst, "held": len(ends) - 1}


def main(
    hours: Annotated[int, typer.Option(min=1, help="Hours of audio.")] = 10,
    shared: Annotated[
        bool, typer.Option("--shared", help="State that other programs use the machine.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Measures; writes a page and figures."""
    model = edgeser.load()
    watch, of_stream = one_stream(model, hours)
    typer.echo(watch.table())
    spoken, of_utterances = by_utterances(model, hours)
    figures = {
        **facts(shared),
        "hours": hours,
        "rate": RATE,
        **of_stream,
        **of_utterances,
        "speed": 2 * hours * 3600 / (watch.seconds + spoken.seconds),
    }
    text = PAGE.format(**figures, stream=watch.table(), utterances=spoken.table())
    kept = {
        "stream": [asdict(hour) for hour in watch.hours],
        "utterances": [asdict(hour) for hour in spoken.hours],
    }
    save(f"{machine_stem()}-endless", {**figures, **kept}, text, out)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
