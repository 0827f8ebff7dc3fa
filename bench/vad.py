"""Compares the model's own speech score with Silero VAD, on real recordings in noise.

    python -m bench.vad --data ../shared/data

RAVDESS was used neither to train the bundled model nor to choose anything about it; the noises are
not in its training data. Silero's training data are not published in detail. Both use their default
thresholds, with the same rules for utterances.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

import edgeser
from train.data.audio import read_audio
from train.data.examples import HELD_OUT
from train.data.manifest import Recording, read_manifest

Samples = npt.NDArray[np.float32]
Span = tuple[float, float]

RATE = 16_000
GAP = 3.0  # seconds between two recordings, longer than the hangover
FLOOR = 10 ** (-70 / 20)  # of the quiet room between them
EACH = 12  # recordings of each speaker
SNRS = (None, 20, 10, 5, 0)
CHUNK = 1_600
OUT = Path("docs/model")

PAGE = """\
# Speech detection in noise

This page compares the model's own speech score with Silero VAD 6.2 (`edgeser.Silero`), both in
`edgeser.Utterances` with its default rules: {onset:g} s of speech begin an utterance,
{hangover:g} s of silence end it. The thresholds are the defaults of each ({own:g} and
{silero:g}); none was tuned here.

The data are {count} recordings of {speakers} speakers of RAVDESS, a held-out corpus,
with {gap:g} s between them, in held-out noises: rain, sea, fire, engines,
clocks, animals, babies. The ratio is that of speech to noise during speech. The true onset and
end are measured on the clean recording: 40 ms within 30 dB of its loud parts.

{table}

*Missed*: no utterance overlaps the recording's speech. *Delay*: from the true onset to the event
`speech_started`, which by rule comes {onset:g} s after the start at the earliest; median and 90th
percentile over recordings that were not missed; negative if noise was detected as speech
before. *Start*: median absolute error of the start in the event. *False alarms*: utterances
without any speech, per hour without speech.

## Noise alone

{noises:.0f} minutes of noises, each at -26 dBFS:

{alone}

## Cost

On one thread of {machine}, edgeser takes {plain:.1f} s of CPU time per hour of these recordings,
and with Silero {ratio:.0f} times that: {share:.1%} of a core for one stream.

## Conclusions

With a close microphone both detect nearly all speech. With more noise both miss more, so put the
microphone near the mouth. The own score costs nothing extra, raises
fewer false alarms, and is part of a stream's state: it is saved and moved with it. In noise it
detects the start of an utterance later. If that matters, use `Utterances(model, rate,
detector=edgeser.Silero())`, with the extra `vad`.

Made by `python -m bench.vad`.
"""


@dataclass
class Track:
    """One speaker's recordings in a row, with the true times of speech."""

    clean: Samples
    spoken: list[Span]
    power: float
    """Mean square during speech."""


def speech_of(samples: Samples) -> Span:
    """Start and end of speech in a clean recording, in seconds."""
    step = RATE // 25  # 40 ms
    energy = np.square(samples[: len(samples) // step * step].reshape(-1, step)).mean(1)
    decibels = 10 * np.log10(energy + 1e-12)
    loud = np.flatnonzero(decibels > np.quantile(decibels, 0.95) - 30.0)
    return float(loud[0] * step / RATE), float((loud[-1] + 1) * step / RATE)


def track(recordings: Sequence[Recording], rng: np.random.Generator) -> Track:
    """Quiet, recording, quiet, and so on."""
    gap = np.zeros(round(GAP * RATE), np.float32)
    parts, spoken, squares, at = [gap], [], [], GAP
    for recording in recordings:
        samples = read_audio(recording.path)
        begin, end = speech_of(samples)
        spoken.append((at + begin, at + end))
        squares.append(np.square(samples[round(begin * RATE) : round(end * RATE)]).mean())
        parts += [samples, gap]
        at += len(samples) / RATE + GAP
    clean = np.concatenate(parts)
    clean += rng.normal(0, FLOOR, len(clean)).astype(np.float32)
    return Track(clean, spoken, float(np.mean(squares)))


def in_noise(track: Track, noise: Samples, snr: float | None) -> Samples:
    """The track with added noise of constant level."""
    if snr is None:
        return track.clean
    power = np.square(noise).mean()
    scale = np.sqrt(track.power / (power + 1e-12) / 10 ** (snr / 10))
    return track.clean + np.resize(noise, len(track.clean)) * np.float32(scale)


def detector(name: str) -> edgeser.SpeechDetector | None:
    """A new detector for each stream; None is the model's own score."""
    return edgeser.Silero() if name == "Silero VAD" else None


NAMES = ("edgeser", "Silero VAD")


def heard(model: edgeser.Model, samples: Samples, name: str) -> list[tuple[float, float, float]]:
    """Time of detection, start and end of each utterance."""
    utterances = edgeser.Utterances(model, RATE, detector=detector(name))
    announced, found = 0.0, []

    def take(events: Sequence[edgeser.UtteranceEvent], now: float) -> None:
        nonlocal announced
        for event in events:
            if isinstance(event, edgeser.SpeechStarted):
                announced = now
            elif isinstance(event, edgeser.Utterance):
                found.append((announced, event.start, event.end))

    for at in range(0, len(samples), CHUNK):
        part = samples[at : at + CHUNK]
        take(utterances.process(part), (at + len(part)) / RATE)
    take(utterances.flush(), len(samples) / RATE)
    return found


def overlap(one: Span, other: Span) -> bool:
    """Whether two spans overlap."""
    return one[0] < other[1] and other[0] < one[1]


def judge(tracks: Sequence[Track], found: Sequence[Sequence[tuple[float, float, float]]]) -> Any:
    """Results of one detector in one condition."""
    missed, delays, starts, false, quiet = 0, [], [], 0, 0.0
    for true, said in zip(tracks, found, strict=True):
        quiet += len(true.clean) / RATE - sum(end - begin for begin, end in true.spoken)
        for span in true.spoken:
            hits = [u for u in said if overlap(u[1:], span)]
            if not hits:
                missed += 1
                continue
            delays.append(hits[0][0] - span[0])
            starts.append(abs(hits[0][1] - span[0]))
        false += sum(not any(overlap(u[1:], span) for span in true.spoken) for u in said)
    return {
        "missed": missed / sum(len(true.spoken) for true in tracks),
        "delay_median": float(np.median(delays)),
        "delay_p90": float(np.quantile(delays, 0.9)),
        "start_median": float(np.median(starts)),
        "false_alarms_an_hour": false / quiet * 3600,
    }


def noise_alone(model: edgeser.Model, noises: Sequence[Samples]) -> Any:
    """False alarms per hour in noise without speech."""
    rng = np.random.default_rng(1)
    quiet = np.zeros(2 * RATE, np.float32)
    parts = []
    for noise in noises:
        scale = 10 ** (-26 / 20) / (np.sqrt(np.square(noise).mean()) + 1e-9)
        parts += [quiet, noise * np.float32(scale)]
    samples = np.concatenate([*parts, quiet])
    samples += rng.normal(0, FLOOR, len(samples)).astype(np.float32)
    hours = len(samples) / RATE / 3600
    alarms = {name: len(heard(model, samples, name)) / hours for name in NAMES}
    return {"minutes": 60 * hours, "false_alarms_an_hour": alarms}


def tracks_of(recordings: Sequence[Recording]) -> Iterator[Track]:
    """One track per speaker, with random recordings."""
    rng = np.random.default_rng(0)
    for speaker in sorted({r.speaker for r in recordings}):
        own = [r for r in recordings if r.speaker == speaker]
        chosen = rng.choice(len(own), min(EACH, len(own)), replace=False)
        yield track([own[i] for i in chosen], rng)


def main(
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv.")] = Path("../shared/data"),
    out: Annotated[Path, typer.Option(help="Where speech.md and speech.json go.")] = OUT,
) -> None:
    """Measures; writes the page and figures."""
    from edgeser.cli.bench import machine_name

    model, manifest = edgeser.load(), read_manifest(data / "manifest.csv")
    speakers = list(tracks_of([r for r in manifest if r.corpus == "ravdess"]))
    listed = [r for r in manifest if r.corpus == "noise"]
    noises = [read_audio(r.path) for i, r in enumerate(listed) if i % HELD_OUT == 0]
    order = np.random.default_rng(2).permutation(len(noises))
    seconds, rows = dict.fromkeys(NAMES, 0.0), []
    for snr in SNRS:
        sounds = [in_noise(t, noises[order[i]], snr) for i, t in enumerate(speakers)]
        for name in NAMES:
            began = time.process_time()
            found = [heard(model, sound, name) for sound in sounds]
            seconds[name] += time.process_time() - began
            rows.append({"snr": snr, "detector": name, **judge(speakers, found)})
            typer.echo(rows[-1])
    hours = len(SNRS) * sum(len(t.clean) for t in speakers) / RATE / 3600
    result = {
        "recordings": sum(len(t.spoken) for t in speakers),
        "speakers": len(speakers),
        "in_speech": rows,
        "noise_alone": noise_alone(model, noises),
        "seconds_an_hour": {name: seconds[name] / hours for name in NAMES},
        "machine": machine_name(),
    }
    (out / "speech.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (out / "speech.md").write_text(page(result, model), encoding="utf-8")


def page(result: Any, model: edgeser.Model) -> str:
    """The results in Markdown."""
    rules, alone = edgeser.Endpointing(), result["noise_alone"]
    lines = ["| noise | detector | missed | delay, s | start, s | false alarms per hour |"]
    lines.append("|---|---|---|---|---|---|")
    for row in result["in_speech"]:
        noise = "none" if row["snr"] is None else f"at {row['snr']} dB"
        lines.append(
            f"| {noise} | {row['detector']} | {row['missed']:.1%} | {row['delay_median']:.2f}, "
            f"{row['delay_p90']:.2f} | {row['start_median']:.2f} "
            f"| {row['false_alarms_an_hour']:.0f} |"
        )
    alarms = alone["false_alarms_an_hour"].items()
    cost = result["seconds_an_hour"]
    return PAGE.format(
        onset=rules.onset,
        hangover=rules.hangover,
        own=model.speech_threshold,
        silero=edgeser.Silero.threshold,
        count=result["recordings"],
        speakers=result["speakers"],
        gap=GAP,
        table="\n".join(lines),
        noises=alone["minutes"],
        alone="\n".join(f"* {name}: {rate:.0f} false alarms per hour" for name, rate in alarms),
        machine=result["machine"],
        plain=cost["edgeser"],
        ratio=cost["Silero VAD"] / cost["edgeser"],
        share=cost["Silero VAD"] / 3600,
    )


if __name__ == "__main__":
    typer.run(main)
