"""Compares the parts' results with the goals, and makes tables of latencies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from bench.goals import AT_MOST, Goal
from bench.gpu.plan import (
    AHEAD,
    ALONE,
    BOUND,
    BOUNDS,
    CAPACITY,
    COMMANDS,
    COMPILE,
    COPY,
    END_TO_END,
    JIT,
    MEASURE,
    ON_DEVICE,
    PRODUCT,
    SEGMENTS,
    STREAMS,
    TEST,
    TESTS,
    TOKENS,
    TRAINING,
    features,
    lookup,
    step,
)
from bench.judge import MICROSECOND, beside_peers
from bench.rounds import Rounds
from bench.worker import Contest

NAN = float("nan")
STEP_MICROSECONDS = 40.0
TIMES_BEST_PEER = 5.0
OF_BOUND = 0.5
PARTS_OF_FLOAT32 = 3
"""Number of tf32 products that the kernels use for a float32 product."""
STREAMS_IN_REAL_TIME = 100_000

Parts = Mapping[str, Any]
"""Results by the part's name, or ``{"failed": why}``."""


def sections(parts: Parts, commands: Collection[str] = COMMANDS) -> dict[str, list[Goal]]:
    """All figures of the commands.

    Figures that could not be measured miss their goals; a note says why.
    """
    tests = [_tests(name, parts) for name in TESTS] if TEST in commands else []
    found = {"Tests": [_compiled(parts), *tests]}
    return {**found, **_measured(parts)} if MEASURE in commands else found


def _measured(parts: Parts) -> dict[str, list[Goal]]:
    return {
        "Front end": _front_ends(parts),
        "TACN step": _steps(parts),
        "VQ lookup and fusion": _lookups(parts),
        "In real time": _capacity(parts),
        "`stream.process`": _end_to_end(parts),
        "Training": _training(parts),
    }


def _why(parts: Parts, name: str) -> str | None:
    """Why a part has no results; None if it has."""
    if name not in parts:
        return "was not begun"
    failed: str | None = parts[name].get("failed")
    return failed


def _tests(name: str, parts: Parts) -> Goal:
    why = _why(parts, name)
    if why is not None:
        return Goal(f"{name}: failures", NAN, 0, AT_MOST, note=why)
    told = parts[name]
    return Goal(f"{name}: failures", told["failures"], 0, AT_MOST, note=told["summary"])


def _compiled(parts: Parts) -> Goal:
    failed = _why(parts, COMPILE)
    return Goal(f"{COMPILE}: failures", int(failed is not None), 0, AT_MOST, note=failed or "")


def _contest(part: Mapping[str, Any]) -> Contest:
    """Latencies of ours and of the peers."""
    latencies = {
        name: seconds
        for name, seconds in part["seconds"].items()
        if not name.startswith(BOUND) and not name.endswith(ON_DEVICE)
    }
    return Contest(Rounds(latencies), part["absent"])


def _ours(part: Mapping[str, Any]) -> str | None:
    """Which of our contestants counts: the one compiled ahead of time, if present."""
    return next((name for name in (AHEAD, JIT) if name + ON_DEVICE in part["seconds"]), None)


def _steps(parts: Parts) -> list[Goal]:
    goals = []
    for streams in STREAMS:
        name = step(streams)
        what = f"step of {streams:,}, beside the best of PyTorch"
        wanted = TIMES_BEST_PEER if streams <= 64 else None
        why = _why(parts, name)
        if why is not None:
            goals.append(Goal(what, NAN, wanted, unit=" times", note=why))
            continue
        part = parts[name]
        goal = STEP_MICROSECONDS if streams == 1 else None
        goals += [_latency(part, name, goal), _over_peers(what, part, wanted)]
    return [*goals, _of_bound("step", parts, BOUNDS, STREAMS[-1])]


def _front_ends(parts: Parts) -> list[Goal]:
    goals = []
    for segments in SEGMENTS:
        name = features(segments)
        what = f"{name}, beside the best of PyTorch"
        why = _why(parts, name)
        if why is not None:
            goals.append(Goal(what, NAN, unit=" times", note=why))
        else:
            goals += [_latency(parts[name], name), _over_peers(what, parts[name], None)]
    return goals


def _latency(part: Mapping[str, Any], name: str, wanted: float | None = None) -> Goal:
    ours = _ours(part)
    what = f"{name}, until the host knows"
    if ours is None:
        return Goal(what, NAN, wanted, AT_MOST, " µs", _absent(part))
    rounds = Rounds(part["seconds"])
    note = f"{rounds.median(ours + ON_DEVICE) / MICROSECOND:,.1f} µs by the device's clock"
    if part.get("latencies"):
        note += f"; p99 {np.percentile(part['latencies'], 99) / MICROSECOND:,.1f} µs"
    return Goal(what, rounds.median(ours) / MICROSECOND, wanted, AT_MOST, " µs", note)


def _over_peers(what: str, part: Mapping[str, Any], wanted: float | None) -> Goal:
    contest, ours = _contest(part), _ours(part)
    if ours is None or not contest.peers():
        return Goal(what, NAN, wanted, unit=" times", note=_absent(part))
    return beside_peers(what, contest, wanted, ours)


def _absent(part: Mapping[str, Any]) -> str:
    return "; ".join(f"no {name}: {why}" for name, why in part["absent"].items())


def _of_bound(what: str, parts: Parts, name: str, size: int) -> Goal:
    """The share of our time that the limiting resource needs alone: memory, or tf32 products."""
    figure = f"{what} of {size:,}, of the bound that governs"
    why = _why(parts, name)
    if why is not None:
        return Goal(figure, NAN, OF_BOUND, note=why)
    part = parts[name]
    which = _ours(part)
    if which is None:
        return Goal(figure, NAN, OF_BOUND, note=_absent(part))
    rounds, work, amounts = Rounds(part["seconds"]), part["work"], part["amounts"]
    ours, copy, product = (name + ON_DEVICE for name in (which, COPY, PRODUCT))
    if not {copy, product} <= set(part["seconds"]):
        return Goal(figure, NAN, OF_BOUND, note="the bounds were not measured")
    of_memory = rounds.ratio(copy, ours, work["bytes"] / amounts[COPY])
    of_units = rounds.ratio(product, ours, PARTS_OF_FLOAT32 * work["flops"] / amounts[PRODUCT])
    note = (
        f"{of_memory:.2f} of {amounts[COPY] / rounds.median(copy) / 1e9:,.0f} GB/s copied, "
        f"{of_units:.2f} of a third of {amounts[PRODUCT] / rounds.median(product) / 1e12:,.0f} "
        f"TFLOP/s multiplied in tf32; {rounds.median(ours) / MICROSECOND:,.1f} µs of {which}"
    )
    return Goal(figure, max(of_memory, of_units), OF_BOUND, note=note)


def _lookups(parts: Parts) -> list[Goal]:
    goals = []
    for tokens in TOKENS:
        name = lookup(tokens)
        why = _why(parts, name)
        what = f"lookup of {tokens:,} tokens, beside the best of PyTorch"
        if why is not None:
            goals.append(Goal(what, NAN, unit=" times", note=why))
            continue
        part = parts[name]
        goals.append(_over_peers(what, part, None))
        ours = _ours(part)
        if ours is not None and ALONE in part["seconds"]:
            what = f"lookup of {tokens:,} tokens, of the time of the product alone"
            times = Rounds(part["seconds"]).ratio(ours + ON_DEVICE, ALONE + ON_DEVICE)
            note = "vectors by codes in float32, by PyTorch, which leaves all distances in memory"
            goals.append(Goal(what, times, unit=" times", note=note))
    return [*goals, _of_bound("lookup", parts, lookup(TOKENS[-1]), TOKENS[-1])]


def _capacity(parts: Parts) -> list[Goal]:
    what, wanted = "streams whose step's p99 is within 128 ms, both kernels", STREAMS_IN_REAL_TIME
    why = _why(parts, CAPACITY)
    if why is not None:
        return [Goal(what, NAN, wanted, note=why)]
    part = parts[CAPACITY]
    held = {int(n): s for n, s in part["steps"].items() if s["p99"] <= 0.128}
    each = ", ".join(f"{n:,}: {1000 * s['p99']:.2f} ms" for n, s in held.items())
    stopped = part["stopped"] or "more were not tried"
    return [Goal(what, max(held, default=0), wanted, note=f"p99 of {each}; {stopped}")]


def _end_to_end(parts: Parts) -> list[Goal]:
    why = _why(parts, END_TO_END)
    if why is not None:
        return [Goal("a hop of one stream", NAN, unit=" ms", note=why)]
    part = parts[END_TO_END]
    return [
        Goal(
            f"a hop of {int(streams):,}, p50",
            1000 * seconds["p50"],
            unit=" ms",
            note=f"p99 {1000 * seconds['p99']:.2f} ms; of it "
            f"{1000 * (seconds['p50'] - seconds['graph']):.2f} ms on the host, around the graphs; "
            f"front end: {part['front_end']}",
        )
        for streams, seconds in part["pools"].items()
    ]


def _training(parts: Parts) -> list[Goal]:
    what = "forward and backward in bfloat16, beside the best of PyTorch"
    why = _why(parts, TRAINING)
    if why is not None:
        return [Goal(what, NAN, unit=" times", note=why)]
    return [_over_peers(what, parts[TRAINING], None)]


LATENCIES = """\
## {title}

Microseconds until the host knows that it is done; in brackets by the device's clock.

"""


def latencies(title: str, parts: Mapping[str, Any], columns: Sequence[str]) -> str:
    """A table of the parts named ``columns``; empty if none of them has results."""
    told = {name: parts[name] for name in columns if "seconds" in parts.get(name, {})}
    names = dict.fromkeys(
        contestant
        for part in told.values()
        for contestant in (*part["seconds"], *part["absent"])
        if not contestant.endswith(ON_DEVICE) and not contestant.startswith(BOUND)
    )
    if not names:
        return ""
    lines = ["| | " + " | ".join(told) + " |", "|---" * (1 + len(told)) + "|"]
    for name in names:
        cells = [_latency_cell(Rounds(part["seconds"]), name) for part in told.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return LATENCIES.format(title=title) + "\n".join(lines) + "\n\n"


def _latency_cell(rounds: Rounds, name: str) -> str:
    if name not in rounds.seconds:
        return "absent"
    host, device = (rounds.median(name + end) / MICROSECOND for end in ("", ON_DEVICE))
    return f"{host:,.1f} ({device:,.1f})"
