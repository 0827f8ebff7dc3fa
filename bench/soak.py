"""Soak test: streams that are created and dropped, odd audio, kills, forks, changing files.

    python -m bench.soak --minutes 60
    python -m bench.soak --minutes 60 --streams 100000 --hours 24

The parts share the time; some continue until they reach a required amount. Each prints what it did
and whether it passed; the command exits with 1 if one failed. ``python -m bench.endless`` tests a
single endless stream; ``bench.abuse`` and ``bench.visitors`` test the server.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import edgeser
from bench.day import sessions
from bench.parts import GROWTH, HOP, SLOWER, Memory, Part, Samples, resources, until
from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE, recording
from edgeser.bundle.paths import DEFAULT_BUNDLE

PAGE = """\
# Soak

edgeser {version} on {machine}, {system}, Python {python}; {date}. The machine
{shared}.

{minutes:g} minutes, shared by these parts{done}:

| part | did | memory, MiB | held |
|---|---|---|---|
{rows}

Made by `python -m bench.soak {command}`.
"""


def churn(model: edgeser.Model, sound: Samples, seconds: float, streams: int) -> Part:
    """Streams are created, used, saved, resumed and dropped, most of them during speech."""
    rates, before, made = (8_000, 16_000, 44_100, 48_000), resources(), 0
    memory = Memory(seconds)
    for count in until(seconds, streams / 3):
        rate = rates[count % 4]
        stream = model.stream(rate, new_speaker_after=30 if count % 2 else None)
        stream.process(sound[: 1 + count * 37 % 6000])
        resumed = model.resume(stream.state())
        if count % 3 == 0:
            resumed.flush()
        utterances = edgeser.Utterances(model, rate)
        utterances.process(sound[: 1 + count * 53 % 3000])
        made += 3
        memory.look()
    growth = memory.growth
    same = resources() == before
    return Part(
        "streams made and dropped",
        f"{made:,} streams; open files and threads {'as before' if same else 'grew'}",
        growth,
        same and growth < GROWTH,
    )


def odd_sound(model: edgeser.Model, sound: Samples, seconds: float) -> Part:
    """Denormals, minus zero, DC, clipping and zeros cost no more than speech, and cause no NaN."""
    length = len(sound)
    kinds = {
        "speech": sound,
        "zeros": np.zeros(length, np.float32),
        "minus zero": np.full(length, -0.0, np.float32),
        "denormals": (sound * np.float32(1e-38)).astype(np.float32),
        "DC": np.full(length, 0.5, np.float32),
        "clipped": np.sign(sound).astype(np.float32),
        "decay": (sound * np.exp(-np.arange(length) / 4000)).astype(np.float32),
    }
    streams = {kind: model.stream(44_100) for kind in kinds}
    took = dict.fromkeys(kinds, 0.0)
    hours, finite, memory = 0.0, True, Memory(seconds)
    for count in until(seconds):
        at = count * HOP % (length - HOP)
        for kind, samples in kinds.items():
            start = time.perf_counter()
            frames = streams[kind].process(samples[at : at + HOP])
            took[kind] += time.perf_counter() - start
            finite = finite and all(
                np.isfinite([f.level, f.speech, f.confidence]).all() for f in frames
            )
        hours += len(kinds) * HOP / 44_100 / 3600
        memory.look()
    growth = memory.growth
    worst = max((kind for kind in kinds if kind != "speech"), key=took.__getitem__)
    ratio = took[worst] / took["speech"]
    return Part(
        "odd sound",
        f"{hours:.1f} hours; the slowest, {worst}, took {ratio:.2f} times as long as speech; "
        f"{'all finite' if finite else 'not all finite'}",
        growth,
        finite and ratio < SLOWER and growth < GROWTH,
    )


_WORKER = """
import sys, time
from pathlib import Path
import numpy as np, edgeser
folder = Path(sys.argv[1])
model = edgeser.load()
sound = np.load(folder / "sound.npy")
kept = folder / "kept"
if kept.exists():
    state = kept.read_bytes()
    at, stream = int.from_bytes(state[:8], "little"), model.resume(state[8:])
else:
    at, stream = 0, model.stream(16_000)
while at < len(sound):
    stream.process(sound[at : at + 1600])
    at += 1600
    new = folder / "new"
    new.write_bytes(at.to_bytes(8, "little") + stream.state())
    new.replace(kept)
"""


def killed(model: edgeser.Model, sound: Samples, seconds: float) -> Part:
    """A process that saves its stream is killed at random times, and another one resumes."""
    kills, rounds, tries, held = 0, 0, 0, True
    end = time.monotonic() + seconds
    chance = random.Random(0)  # noqa: S311
    short = sound[: 30 * RATE]
    straight = model.stream(16_000)
    for at in range(0, len(short), 1600):
        straight.process(short[at : at + 1600])
    wanted = straight.state()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "sound.npy", short)
        command = [sys.executable, "-c", _WORKER, name]
        while time.monotonic() < end or rounds == 0:
            worker = subprocess.Popen(command)
            try:
                # Longer each time; on a busy machine it may otherwise never start to work.
                worker.wait(chance.uniform(0.3, 2.0) + 0.1 * tries)
            except subprocess.TimeoutExpired:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                kills, tries = kills + 1, tries + 1
                continue
            held = held and worker.returncode == 0
            held = held and (folder / "kept").read_bytes()[8:] == wanted
            (folder / "kept").unlink()
            rounds, tries = rounds + 1, 0
    return Part(
        "killed and resumed",
        f"{kills} kills in {rounds} recordings; each ended with the bits of one that was not killed"
        if held
        else f"{kills} kills in {rounds} recordings; one ended otherwise",
        0.0,
        held,
    )


def replaced(model: edgeser.Model, sound: Samples, seconds: float) -> Part:
    """A bundle is replaced, truncated and damaged while it is read: an error, or one model."""
    del sound
    whole = DEFAULT_BUNDLE.read_bytes()
    loads = refused = 0
    held, done, memory = True, threading.Event(), Memory(seconds)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "m.edgeser"
        path.write_bytes(whole)

        def change() -> None:
            for count in range(1 << 30):
                if done.is_set():
                    return
                if count % 3 == 0:
                    path.write_bytes(whole[: len(whole) * (count % 7) // 7])
                elif count % 3 == 1:
                    path.write_bytes(whole)
                else:
                    other = path.with_suffix(".new")
                    shutil.copy(DEFAULT_BUNDLE, other)
                    other.replace(path)
                time.sleep(0.1)

        changer = threading.Thread(target=change)
        changer.start()
        try:
            for _ in until(seconds):
                try:
                    held = held and edgeser.load(path).hash == model.hash
                    loads += 1
                except edgeser.BundleError:
                    refused += 1
                memory.look()
        finally:
            done.set()
            changer.join()
    growth = memory.growth
    return Part(
        "a bundle that changes while it is read",
        f"{loads} loads, {refused} refused; no other model",
        growth,
        held and loads > 0 and growth < 32 * GROWTH,
    )


def forked(model: edgeser.Model, sound: Samples, seconds: float) -> Part:
    """Forked children continue the parent's stream, beside threads in other streams."""
    stream = model.stream(16_000)
    stream.process(sound[:30_000])
    copy = model.resume(stream.state())
    copy.process(sound[30_000:60_000])
    wanted = hashlib.sha256(copy.state()).digest()[0]
    forks, held, done = 0, True, threading.Event()

    def busy() -> None:
        other = model.stream(16_000)
        while not done.is_set():
            other.process(sound[:8_000])

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in until(seconds):
            child = os.fork()
            if child == 0:
                stream.process(sound[30_000:60_000])
                os._exit(hashlib.sha256(stream.state()).digest()[0])
            _, status = os.waitpid(child, 0)
            held = held and os.waitstatus_to_exitcode(status) == wanted
            forks += 1
    finally:
        done.set()
        thread.join()
    return Part("forks", f"{forks} children continued the parent's stream", 0.0, held)


PARTS: tuple[Callable[[edgeser.Model, Samples, float], Part], ...] = (
    odd_sound,
    killed,
    replaced,
    forked,
)


def keep_parts(parts: list[Part], of: int, minutes: int, command: str, shared: bool) -> None:
    """Writes the results so far, so that a stopped run keeps them."""
    about = facts(shared)
    rows = "\n".join(
        f"| {p.name} | {p.did} | {p.growth_mib:+.1f} | {'yes' if p.held else 'no'} |" for p in parts
    )
    figures = {**about, "minutes": minutes, "parts": [asdict(p) for p in parts], "of": of}
    done = "" if len(parts) == of else f", the first {len(parts)} of {of} parts"
    page = PAGE.format(**about, minutes=minutes, rows=rows, command=command, done=done)
    save(f"{machine_stem()}-soak", figures, page, FOLDER)


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="Total duration.")] = 60.0,
    streams: Annotated[
        int, typer.Option(help="Create at least this number, however long it takes.")
    ] = 0,
    hours: Annotated[
        float, typer.Option(help="Simulate at least these hours, however long it takes.")
    ] = 0.0,
    keep: Annotated[bool, typer.Option(help="Write the results to bench/results.")] = True,
    shared: Annotated[
        bool, typer.Option(help="State that other programs use the machine.")
    ] = False,
) -> None:
    """Runs all parts, and prints the results."""
    model = edgeser.load()
    sound = np.tile(recording(), 4)
    parts: list[Part] = []
    todo = (partial(churn, streams=streams), partial(sessions, hours=hours), *PARTS)
    command = f"--minutes {minutes:g} --streams {streams} --hours {hours:g}"
    began = time.monotonic()
    for part in todo:
        parts.append(part(model, sound, minutes * 60 / len(todo)))
        typer.echo(f"{'held' if parts[-1].held else 'DID NOT HOLD'}  {parts[-1]}")
        if keep:
            took = round((time.monotonic() - began) / 60)
            keep_parts(parts, len(todo), took, command, shared)
    raise typer.Exit(0 if all(part.held for part in parts) else 1)


if __name__ == "__main__":
    typer.run(main)
