"""Compares the measurements with their goals."""

from __future__ import annotations

from collections.abc import Mapping

from bench.goals import AT_MOST, Goal
from bench.native import Case
from bench.worker import Contest

MICROSECOND = 1e-6


def beside_peers(what: str, contest: Contest, wanted: float | None, ours: str = "edgeser") -> Goal:
    """Speedup over the fastest peer."""
    best, ratio = contest.over_best_peer(ours)
    note = f"{_microseconds(contest, ours)} against {_microseconds(contest, best)} of {best}"
    names = contest.rounds.seconds
    others = [name for name in names if name.startswith("edgeser ") and name != ours]
    note += "".join(f"; {name} {contest.over_best_peer(name)[1]:.3g} times" for name in others)
    missing = "; ".join(f"no {name}: {why}" for name, why in contest.absent.items())
    return Goal(what, ratio, wanted, unit=" times", note="; ".join(filter(None, [note, missing])))


def _microseconds(contest: Contest, name: str) -> str:
    return f"{contest.rounds.median(name) / MICROSECOND:,.1f} µs"


def tacn(cases: Mapping[str, Case], contests: Mapping[tuple[int, int], Contest]) -> list[Goal]:
    """The TACN step, by width, precision and batch."""
    goals = []
    for name, case in cases.items():
        if not name.startswith("tacn"):
            continue
        ours = case.rounds.median("step") / MICROSECOND
        if case.facts["batch"] == 1:
            goals.append(
                Goal(
                    f"{name}, warm, of reading its weights once",
                    case.of_read("step"),
                    0.9,
                    note=f"{ours:.1f} µs; {_bound(case)}",
                )
            )
            goals.append(_cold(name, case, "step"))
        else:
            goals.append(
                Goal(
                    f"{name}, of the FMA peak",
                    case.of_peak("step"),
                    None if "int8" in name else 0.7,
                    note=f"{ours / case.facts['batch']:.2f} µs a stream; {_bound(case)}",
                )
            )
    for (width, batch), contest in contests.items():
        wanted = 12.0 if (width, batch) == (64, 1) else None
        what = f"TACN step, C={width}, B={batch}, beside the best peer"
        goals.append(beside_peers(what, contest, wanted))
    return goals


def _bound(case: Case) -> str:
    """Limits from the variants: products alone, and rings that stay in cache."""
    if "products" not in case.rounds.seconds:
        return ""
    share = case.of_read("products") if case.facts["batch"] == 1 else case.of_peak("products")
    part = case.rounds.ratio("products", "step")
    said = f"its matrix products alone are {share:.2f} of the bound, and {part:.0%} of the time"
    if "step_of_projections" in case.rounds.seconds:
        kept = case.rounds.ratio("step_of_projections", "step")
        said += f"; with Q, K and V in the rings, three times the state, {kept:.2f} of the time"
    if "rings_in_cache" in case.rounds.seconds:
        said += f"; with all rings in cache it is {case.of_peak('rings_in_cache'):.2f}"
    return said


def _cold(name: str, case: Case, work: str) -> Goal:
    ours = case.rounds.median(f"{work}_cold") / MICROSECOND
    times = case.rounds.ratio(f"{work}_cold", work)
    note = f"{ours:.1f} µs, {times:.1f} times the warm one"
    return Goal(
        f"{name}, cold, of reading its weights cold", case.of_read(work, cold=True), note=note
    )


def vq(cases: Mapping[str, Case], contests: Mapping[tuple[int, bool], Contest]) -> list[Goal]:
    """The lookup and the fusion."""
    goals = []
    for name, case in cases.items():
        if not name.startswith("vq"):
            continue
        each = f"{case.rounds.median('fuse') / MICROSECOND:.1f} µs"
        vectors = case.facts["vectors"]
        if vectors == 1:
            what = f"{name}, of reading the codebook once"
            goals.append(Goal(what, case.of_read("fuse"), 0.9, note=each))
        else:
            wanted = 0.75 if vectors >= 64 else None
            what = f"{name}, of the FMA peak"
            goals.append(Goal(what, case.of_peak("fuse"), wanted, note=each))
        if "fuse_cold" in case.rounds.seconds:
            goals.append(_cold(name, case, "fuse"))
    for (rows, lookup), contest in contests.items():
        what = f"{'VQ lookup of' if lookup else 'VQ fusion of'} {rows:,}, beside the best peer"
        goals.append(beside_peers(what, contest, 1.8))
    return goals


def front_end(contests: Mapping[int, Contest]) -> list[Goal]:
    """The front end; the goal is at most 1.5 times the best peer's time."""
    goals = []
    for batch, contest in contests.items():
        best = contest.rounds.best_of(list(contest.rounds.seconds))
        ours = next(iter(contest.rounds.seconds))
        note = ", ".join(
            f"{name} {_microseconds(contest, name)}" for name in contest.rounds.seconds
        )
        goals.append(
            Goal(
                f"front end, {batch} segments, over the best of all",
                contest.rounds.ratio(ours, best),
                1.5,
                AT_MOST,
                " times",
                note,
            )
        )
    return goals


def process(whole: Contest, pools: Contest, cores: Contest, seconds: float) -> list[Goal]:
    """Streams, pools, cores."""
    r = whole.rounds
    smile, parts = "openSMILE eGeMAPS", "compiled parts alone"
    goals = []
    for name in r.seconds:
        if name.startswith("edgeser"):
            speed = seconds / r.median(name)
            goals.append(Goal(f"`stream.process`, {name}, times real time", speed))
            if name != "edgeser":
                wanted = {"edgeser bfloat16": 1.0, "edgeser int8": 1.5}.get(name)
                what = f"`stream.process`, {name} over float32"
                goals.append(Goal(what, r.ratio("edgeser", name), wanted, unit=" times"))
            if smile in r.seconds:
                wanted = {"edgeser": 12.0, "edgeser int8": 16.0}.get(name)
                what = f"{name} beside openSMILE's eGeMAPS on the same recording"
                goals.append(Goal(what, r.ratio(smile, name), wanted, unit=" times"))
    if smile in whole.absent:
        goals.append(Goal("beside openSMILE", float("nan"), note=whole.absent[smile]))
    share = 1 - r.ratio(parts, "edgeser")
    goals.append(
        Goal("Python's own share of `stream.process`", share, 0.08, AT_MOST, note=f"less {parts}")
    )
    for name in pools.rounds.seconds:
        if name == "pool of 64" or name == "pool of 16":
            gain = 64 if name == "pool of 64" else 16
            wanted = 3.0 if gain == 64 else None
            ratio = pools.rounds.ratio("stream", name, gain)
            what = f"a {name} over as many single streams, one core"
            goals.append(Goal(what, ratio, wanted, unit=" times"))
    bound = cores.rounds.ratio("kernel, 1", "kernel, 2", 2)
    goals.append(
        Goal(
            "two threads over one",
            cores.rounds.ratio("stream, 1", "stream, 2", 2),
            1.8,
            unit=" times",
            note=f"arithmetic in cache without the GIL: {bound:.2f} times",
        )
    )
    return goals


def small(start: Mapping[str, float], state_bytes: int, wheel: int | None) -> list[Goal]:
    """Start, memory, size."""
    least = "over NumPy, ONNX Runtime and an empty session"
    goals = [
        Goal(
            f"import and load, time {least}",
            start["time_ratio"],
            1.3,
            AT_MOST,
            note=f"{start['load_ms']:.0f} against {start['least_ms']:.0f} ms",
        ),
        Goal(
            f"import and load, memory {least}",
            start["memory_ratio"],
            1.3,
            AT_MOST,
            note=f"{start['load_mib']:.0f} against {start['least_mib']:.0f} MiB",
        ),
        Goal(
            "threads that loading starts beyond those of importing NumPy and ONNX Runtime",
            start["load_threads"] - start["least_threads"],
            0,
            AT_MOST,
        ),
        Goal("state of a stream", state_bytes / 1024, unit=" KiB"),
    ]
    if wheel is not None:
        goals.append(Goal("wheel with the model", wheel / 1e6, 10, AT_MOST, " MB"))
    return goals
