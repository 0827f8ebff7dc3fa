"""What skipping quiet hops saves, and whether it changes the results.

    python -m bench.quiet --data ../shared/data

Everything is processed twice: with every hop, and with ``every_hop=False``, which skips hops that
sound like the silence before them (``csrc/stream/quiet.hpp``). The constants of that rule were
chosen on steady noise only (``csrc/LIMITS.md``), not on any speaker.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

import edgeser
from bench.rounds import Rounds, take_turns
from bench.sound import recording
from train.data.audio import read_audio
from train.data.examples import HELD_OUT
from train.data.manifest import Recording, read_manifest
from train.data.music import SoundMaker
from train.data.splits import development_speakers
from train.judge.sounds import floor_of

Samples = npt.NDArray[np.float32]

RATE = 16_000
GAP = (2.0, 5.0)  # seconds of a recording's own noise floor before it
SNRS = (20, 10, 5)
SOUNDS = ("room", "music", "babble")
VOICES = 8  # in a babble
SHARE, SPOKEN = 10, 24  # one tenth of a session is speech: so many hops
NEAR = 0.1  # seconds of overlap for two utterances to be the same


@dataclass
class Session:
    """Recordings of one speaker, each after its own noise floor, and a final stretch of it."""

    sound: Samples
    spoken: list[tuple[int, int]]  # samples

    @property
    def power(self) -> float:
        """Mean square during speech."""
        squares = [np.square(self.sound[a:b]).mean() for a, b in self.spoken]
        return float(np.mean(squares))

    def over(self, noise: Samples, snr: float) -> Samples:
        """The session with another sound mixed in."""
        under = np.resize(noise, len(self.sound))
        scale = np.sqrt(self.power / (np.square(under).mean() + 1e-12) / 10 ** (snr / 10))
        return np.clip(self.sound + under * np.float32(scale), -1, 1)


@dataclass
class Compared:
    """Utterances from both ways, and how much audio one of them skipped."""

    both: int = 0
    only_every: int = 0
    only_passing: int = 0
    times: int = 0
    labels: int = 0
    verdicts: list[float] = field(default_factory=list)  # largest change of a probability
    hops: int = 0
    passed: int = 0
    spoken_passed: int = 0
    """Skipped hops for which the gate would have opened."""

    def add(self, model: edgeser.Model, sound: Samples) -> None:
        """Processes a sound in both ways."""
        every, frames = heard(model, sound, every_hop=True)
        passing, fewer = heard(model, sound, every_hop=False)
        threshold = model.speech_threshold
        self.hops += len(frames)
        for (before, now), full in zip(pairwise(fewer), frames[1:], strict=True):
            # A skipped hop has the score and level of the last one that was computed.
            if now.speech < threshold and (now.speech, now.level) == (before.speech, before.level):
                self.passed += now.level > SILENCE
                self.spoken_passed += full.speech >= threshold
        left = list(passing)
        for one in every:
            other = max(left, key=lambda u: _overlap(one, u), default=None)
            if other is None or _overlap(one, other) < NEAR:
                self.only_every += 1
                continue
            left.remove(other)
            self.both += 1
            self.times += (one.start, one.end) == (other.start, other.end)
            self.labels += one.verdict.label == other.verdict.label
            pairs = zip(
                one.verdict.probabilities.values(),
                other.verdict.probabilities.values(),
                strict=True,
            )
            self.verdicts.append(max(abs(a - b) for a, b in pairs))
        self.only_passing += len(left)


SILENCE = -200.0
"""Level of digital silence in dBFS, which is never computed."""


def _overlap(one: edgeser.Utterance, other: edgeser.Utterance) -> float:
    return min(one.end, other.end) - max(one.start, other.start)


def heard(
    model: edgeser.Model, sound: Samples, *, every_hop: bool
) -> tuple[list[edgeser.Utterance], list[edgeser.EmotionFrame]]:
    """The utterances, and all frames."""
    frames: list[edgeser.EmotionFrame] = []
    ears = edgeser.Utterances(model, RATE, every_hop=every_hop, on_frame=frames.append)
    events: list[edgeser.UtteranceEvent] = []
    for start in range(0, len(sound), 10 * RATE):
        events += ears.process(sound[start : start + 10 * RATE])
    events += ears.flush()
    return [e for e in events if isinstance(e, edgeser.Utterance)], frames


def sessions(recordings: Sequence[Recording], each: int, seed: int = 0) -> Iterator[Session]:
    """One session per speaker, with random recordings."""
    for number, speaker in enumerate(sorted({r.speaker for r in recordings})):
        rng = np.random.default_rng([seed, number])
        own = [r for r in recordings if r.speaker == speaker]
        parts, spoken, at = [], [], 0
        for i in rng.permutation(len(own))[:each]:
            samples = read_audio(own[i].path)
            quiet = floor_of(samples, float(rng.uniform(*GAP)), rng)
            parts += [quiet, samples]
            spoken.append((at + len(quiet), at + len(quiet) + len(samples)))
            at = spoken[-1][1]
        parts.append(floor_of(samples, float(rng.uniform(*GAP)), rng))
        yield Session(np.concatenate(parts), spoken)


class Sounds:
    """Sounds to mix in: noises of rooms and streets, music, and other speakers."""

    def __init__(self, rooms: Sequence[Samples], talkers: Sequence[Recording], seed: int) -> None:
        self.rooms, self.talkers = rooms, talkers
        self.rng, self.maker = np.random.default_rng(seed), SoundMaker(seed)

    def make(self, kind: str, samples: int) -> Samples:
        """So many samples of a kind."""
        if kind == "room":
            room = self.rooms[int(self.rng.integers(len(self.rooms)))]
            return np.resize(room, samples)
        if kind == "music":
            return self.maker.music(samples)
        total = np.zeros(samples, np.float32)
        for i in self.rng.permutation(len(self.talkers))[:VOICES]:
            voice = read_audio(self.talkers[i].path)
            loud = np.sqrt(np.square(voice).mean()) + 1e-9
            total += np.resize(np.roll(voice, int(self.rng.integers(len(voice)))), samples) / loud
        return total


def compare(
    model: edgeser.Model, corpus: Sequence[Recording], sounds: Sounds, each: int
) -> dict[str, Compared]:
    """Sessions of a corpus unchanged, and with every kind of sound mixed in."""
    found: dict[str, Compared] = {"as recorded": Compared()}
    for session in sessions(corpus, each):
        found["as recorded"].add(model, session.sound)
        for kind in SOUNDS:
            under = sounds.make(kind, len(session.sound))
            for snr in SNRS:
                name = f"{kind} at {snr} dB"
                found.setdefault(name, Compared()).add(model, session.over(under, snr))
    return found


def alone(model: edgeser.Model, noises: Mapping[str, Sequence[Samples]]) -> dict[str, Any]:
    """False alarms per hour in sounds without speech at -26 dBFS, in both ways."""
    found = {}
    for kind, some in noises.items():
        seconds, alarms, hops = 0.0, [0, 0], Compared()
        for noise in some:
            level = np.sqrt(np.square(noise).mean()) + 1e-9
            sound = np.clip(noise * np.float32(0.05 / level), -1, 1)
            for i, every_hop in enumerate((True, False)):
                alarms[i] += len(heard(model, sound, every_hop=every_hop)[0])
            hops.add(model, sound)
            seconds += len(sound) / RATE
        found[kind] = {
            "minutes": seconds / 60,
            "every_hop": alarms[0] * 3600 / seconds,
            "passing": alarms[1] * 3600 / seconds,
            "passed": hops.passed / max(hops.hops, 1),
        }
    return found


def cost(model: edgeser.Model, rounds: int, streams: int = 64) -> Rounds:
    """Seconds of a stream, and of each stream in a pool, per kind of hop and per session."""
    hop = round(model.hop * RATE)
    rng = np.random.default_rng(0)
    voice = recording()[: SPOKEN * hop]
    quiet = (10 ** (-70 / 20) * rng.standard_normal((SHARE - 1) * len(voice))).astype(np.float32)
    kinds = {
        "speech": voice,
        "quiet": quiet,
        "digital silence": np.zeros(len(quiet), np.float32),
        "a tenth of speech": np.concatenate([voice, quiet]),
    }
    contestants: dict[str, Callable[[], float]] = {}
    for kind, sound in kinds.items():
        for way, every_hop in (("every hop", True), ("passing", False)):
            contestants[f"{kind}, {way}, stream"] = _alone(model, sound, every_hop)
            contestants[f"{kind}, {way}, pool"] = _together(model, sound, every_hop, streams)
    return take_turns(contestants, rounds)


def _alone(model: edgeser.Model, sound: Samples, every_hop: bool) -> Callable[[], float]:
    hop = round(model.hop * RATE)

    def call() -> None:
        stream = model.stream(RATE, every_hop=every_hop)
        for at in range(0, len(sound), hop):
            stream.process(sound[at : at + hop])

    return lambda: _seconds(call) / (len(sound) / hop)


def _together(
    model: edgeser.Model, sound: Samples, every_hop: bool, streams: int
) -> Callable[[], float]:
    """All streams of a pool process the same audio, each at its own position."""
    hop = round(model.hop * RATE)
    hops = len(sound) // hop
    pool = model.pool()
    ahead = [number * hops // streams for number in range(streams)]

    def call() -> None:
        opened = [pool.stream(RATE, every_hop=every_hop) for _ in range(streams)]
        for step in range(hops):
            at = [(step + before) % hops * hop for before in ahead]
            pool.process({s: sound[a : a + hop] for s, a in zip(opened, at, strict=True)})

    return lambda: _seconds(call) / (hops * streams)


def _seconds(call: Callable[[], object]) -> float:
    """CPU time of this process; a call is long enough to be timed alone."""
    began = time.process_time()
    call()
    return time.process_time() - began


def _row(name: str, c: Mapping[str, Any]) -> str:
    worst = f"{c['worst']:.3f}" if c["both"] else "-"
    return (
        f"| {name} | {c['both'] + c['only_every']} | {c['only_every']} | {c['only_passing']} "
        f"| {c['both'] - c['times']} | {c['both'] - c['labels']} | {worst} "
        f"| {c['passed']:.0%} | {c['spoken_passed']} |"
    )


HEAD = (
    "| | utterances | lost | added | other times | other labels | largest change of a probability "
    "| hops passed | of them speech |\n|---|---|---|---|---|---|---|---|---|"
)

PAGE = """\
# Skipping quiet hops

With `every_hop=False` the model skips a hop that sounds like the quiet before it
([how](../streaming.md#skipping-quiet-hops)). Here every recording is processed twice through
`edgeser.Utterances`: with every hop, and with `every_hop=False`.

*Lost* utterances were found only with every hop, *added* ones only without. *Other times* and
*other labels* count utterances whose start or end, or whose verdict, differs. *Hops passed* is the
share of skipped hops; *of them speech* is the number of skipped hops that the gate takes for speech
when it gets every hop.

{corpora}
## Nobody speaks

{alone}

## Cost

{cost}

{each} recordings of each speaker. Made by `python -m bench.quiet --each {each}`.
"""


def _cost_table(rounds: Rounds) -> str:
    lines = ["| a hop, µs | every hop | `every_hop=False` | ratio |", "|---|---|---|---|"]
    for name in ("speech", "quiet", "digital silence", "a tenth of speech"):
        for how, said in (("stream", "one stream"), ("pool", "each of a pool of 64")):
            every, passing = (f"{name}, {way}, {how}" for way in ("every hop", "passing"))
            lines.append(
                f"| {name}, {said} | {1e6 * rounds.median(every):.0f} "
                f"| {1e6 * rounds.median(passing):.0f} | {rounds.ratio(passing, every):.2f} |"
            )
    return "\n".join(lines)


def _figures(compared: Compared) -> dict[str, Any]:
    """The results as plain numbers."""
    c = compared
    return {
        **{k: getattr(c, k) for k in ("both", "only_every", "only_passing", "times", "labels")},
        "worst": max(c.verdicts, default=0.0),
        "passed": c.passed / max(c.hops, 1),
        "spoken_passed": c.spoken_passed,
        "hours": c.hops * 0.128 / 3600,
    }


def page(result: Mapping[str, Any], costs: str, each: int) -> str:
    """The results in Markdown."""
    corpora = ""
    for title, rows in result["corpora"].items():
        table = "\n".join([HEAD, *(_row(name, row) for name, row in rows.items())])
        corpora += f"## {title}\n\n{table}\n\n"
    lines = ["| | minutes | alarms an hour, every hop | `every_hop=False` | hops passed |"]
    lines.append("|---|---|---|---|---|")
    for kind, found in result["alone"].items():
        lines.append(
            f"| {kind} | {found['minutes']:.0f} | {found['every_hop']:.0f} "
            f"| {found['passing']:.0f} | {found['passed']:.0%} |"
        )
    return PAGE.format(corpora=corpora, alone="\n".join(lines), cost=costs, each=each)


def main(
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv.")] = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("docs/model/quiet.md"),
    each: Annotated[int, typer.Option(min=1, help="Recordings of each speaker.")] = 6,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of the timing.")] = 9,
) -> None:
    """Measures, and writes the page."""
    from edgeser.cli.bench import machine_name

    model, manifest = edgeser.load(), read_manifest(data / "manifest.csv")
    listed = [r for r in manifest if r.corpus == "noise"]
    trained = [read_audio(r.path) for i, r in enumerate(listed) if i % HELD_OUT]
    kept = [read_audio(r.path) for i, r in enumerate(listed) if i % HELD_OUT == 0]
    talkers = [r for r in manifest if r.corpus == "librispeech"]
    chosen = development_speakers([r for r in manifest if r.corpus in ("emodb", "cremad")])
    corpora = {
        "RAVDESS": ([r for r in manifest if r.corpus == "ravdess"], kept),
        "LibriSpeech": (talkers[::12], kept),
        "Development speakers of EmoDB and CREMA-D": (
            [r for r in manifest if r.speaker in chosen],
            trained,
        ),
    }
    result: dict[str, Any] = {"corpora": {}}
    for seed, (title, (some, rooms)) in enumerate(corpora.items()):
        found = compare(model, some, Sounds(rooms, talkers[1::12], seed), each)
        result["corpora"][title] = {name: _figures(c) for name, c in found.items()}
        typer.echo(f"{title}: {json.dumps(result['corpora'][title])}")
    maker = SoundMaker(11)
    result["alone"] = alone(
        model, {"noises": kept, "music": [maker.music(20 * RATE) for _ in range(15)]}
    )
    measured = cost(model, rounds)
    costs = (
        f"Processor time on {machine_name()} with `{model.simd}` in float32, medians of {rounds} "
        "rounds in which all take turns. *Quiet* is white noise at -70 dBFS; *a tenth of speech* "
        "is three seconds of the package's sample, followed by nine times as long of it.\n\n"
    ) + _cost_table(measured)
    out.write_text(page(result, costs, each), encoding="utf-8")
    typer.echo(f"page: {out}")


if __name__ == "__main__":
    typer.run(main)
