"""Runs all measurements; writes ``bench/results/<machine>.json``, ``.md`` and plots."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import edgeser
from bench import front_end, judge, native, plots, process, start
from bench.machines import level_table, write
from bench.page import page
from bench.record import FOLDER, facts, machine_stem, save
from bench.sound import RATE, recording
from bench.tacn import suite as tacn
from bench.vq import suite as vq
from bench.worker import Contest, contest
from edgeser._kernels import simd_levels
from edgeser.bench.measure import paced


def main(
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds in which all contestants run in turn.")
    ] = 15,
    minutes: Annotated[
        float, typer.Option(min=0.05, help="Minutes of audio at real-time pace.")
    ] = 1.0,
    shared: Annotated[
        bool, typer.Option("--shared", help="State that other programs use the machine.")
    ] = False,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = FOLDER,
) -> None:
    """Runs all measurements: about ten minutes, and two more for each SIMD level below the best."""
    say = typer.echo
    say("kernels beside their bounds")
    program = native.build()
    simd, cases = native.measure(2 * rounds, program)
    others = [level for level in simd_levels() if level not in (simd, "plain")]
    levels = {simd: cases}
    for level in others:  # measures what other machines use, too
        say(f"the same at the level {level}")
        levels[level] = native.measure(max(1, rounds // 3), program, level)[1]
    contests: dict[str, Contest] = {}

    def held(name: str, entries: list[Any]) -> Contest:
        say(f"{name}: {', '.join(entry.name for entry in entries)}")
        contests[name] = contest(entries, rounds)
        for absent, reason in contests[name].absent.items():
            say(f"  without {absent}: {reason}")
        return contests[name]

    beside = {
        size: held("tacn C={} B={}".format(*size), tacn.entries(*size)) for size in tacn.SIZES
    }
    lookups = {(n, True): held(f"vq lookup {n}", vq.entries(n, True)) for n in vq.LOOKUPS}
    fusions = {(n, False): held(f"vq fusion {n}", vq.entries(n, False)) for n in vq.FUSIONS}
    fronts = {n: held(f"front end {n}", front_end.entries(n)) for n in front_end.BATCHES}
    whole = held("whole", process.whole())
    pools = held("pools", process.pools())
    cores = held("cores", process.cores())
    say("start")
    started, wheel = start.measure(rounds), start.wheel_bytes()
    say(f"one stream for {minutes:g} minutes at real-time pace")
    model = edgeser.load()
    at_pace, memory, _ = paced(model, minutes, False, lambda _: None)
    flat_out, _, _ = paced(model, minutes, True, lambda _: None)

    sections = {
        "TACN step": judge.tacn(cases, beside),
        "VQ lookup and fusion": judge.vq(cases, lookups | fusions),
        "Front end": judge.front_end(fronts),
        "`stream.process`": judge.process(whole, pools, cores, len(recording()) / RATE),
        "Small": judge.small(started, model.state_bytes, wheel),
    }
    about = {**facts(shared), "simd": simd, "rounds": rounds}
    result = {
        **about,
        "goals": {
            title: [{**asdict(goal), "reached": goal.reached} for goal in section]
            for title, section in sections.items()
        },
        "native": {
            level: {
                name: {"facts": case.facts, "seconds": case.rounds.seconds}
                for name, case in cases_of_level.items()
            }
            for level, cases_of_level in levels.items()
        },
        "contests": {
            name: {"seconds": held.rounds.seconds, "absent": held.absent}
            for name, held in contests.items()
        },
        "start": started,
        "state_bytes": model.state_bytes,
        "wheel_bytes": wheel,
        "memory_mib": memory,
        "latency_seconds": {"real_time": at_pace, "flat_out": flat_out},
    }
    name = str(about["machine"])
    stem = machine_stem()
    out.mkdir(parents=True, exist_ok=True)
    plots.latency(out / f"{stem}-latency.png", at_pace, flat_out, name)
    streams = {n: model.hop * n / pools.rounds.median(f"pool of {n}") for n in process.POOLS}
    alone = model.hop / pools.rounds.median("stream")
    plots.throughput(out / f"{stem}-throughput.png", streams, alone, name)
    plots.roofline(out / f"{stem}-roofline.png", cases, name)
    text = page(about, sections, stem, level_table(levels))
    save(stem, result, text, out)
    write(out)
    say(text)


if __name__ == "__main__":
    typer.run(main)
