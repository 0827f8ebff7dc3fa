"""The benchmarks in plain words: what the last runs mean for users.

``generated.py`` writes it to ``_generated/plainly.md``, which ``benchmarks.md`` includes. Its
figures come from ``bench/results``, so they are those of the last runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any

RESULTS = Path(__file__).parents[1] / "bench" / "results"
FRAME_MS = 128
"""What a server's 99th percentile stays below while it keeps up."""

TEXT = """\
On one core of the machine that was measured ({machine}, a server's processor; `edgeser bench`
measures yours):

* *Speed.* It processes audio {speed:,.0f} times as fast as real time: a second of audio takes
  {second:.1f} ms.
* *Delay.* The result of a frame comes {usual:.1f} ms after its last sample (median), and in 99 of
  100 cases within {late:.1f} ms.
* *Memory.* The program takes {memory:.0f} MiB, including model and Python. In a run of ten hours,
  one stream added {growth:.1f} MiB after the first hour.
* *Start.* Importing and loading take {start:.0f} ms.
* *Compared with others.* openSMILE's eGeMAPS features, which are often used for this, take
  {opensmile:.0f} times as long for the same recording. The network's main step, the TACN, is for
  one stream {narrow:.0f} times as fast as in the fastest other runtime with a width of 64, and
  {wide:.0f} times with 128.
* *As a server.* On two cores, which the clients share, `edgeser serve` keeps up with {clients}
  clients.
* *An archive.* An hour of telephone calls takes {hour:.0f} s of one core.
* *Not reached.* Of {wanted} figures that have a goal, {missed} miss it. The tables say which,
  `csrc/LIMITS.md` says why.
"""


def read(name: str) -> Any:
    """A run's figures."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def written() -> str:
    """Markdown, a list of what the figures mean."""
    run = read("amd-epyc")
    goals = [goal for section in run["goals"].values() for goal in section]
    held = [goal["reached"] for goal in goals if goal["reached"] is not None]
    delays = [1000 * seconds for seconds in run["latency_seconds"]["real_time"]]
    speed = figure(goals, "`stream.process`, edgeser, times real time")
    hours = [hour["mib"] for hour in read("amd-epyc-endless")["stream"][:10]]
    kept_up = [load for load in read("amd-epyc-serve")["loads"] if load["p99_ms"] < FRAME_MS]
    return TEXT.format(
        machine=run["machine"],
        speed=speed,
        second=1000 / speed,
        usual=median(delays),
        late=quantiles(delays, n=100)[-1],
        memory=run["memory_mib"][-1],
        growth=hours[-1] - hours[0],
        start=run["start"]["load_ms"],
        opensmile=figure(goals, "edgeser beside openSMILE's eGeMAPS on the same recording"),
        narrow=figure(goals, "TACN step, C=64, B=1, beside the best peer"),
        wide=figure(goals, "TACN step, C=128, B=1, beside the best peer"),
        clients=max(load["clients"] for load in kept_up),
        hour=read("amd-epyc-archive")["ways"]["one process"]["cpu_an_hour"],
        wanted=len(held),
        missed=held.count(False),
    )


def figure(goals: list[Mapping[str, Any]], what: str) -> float:
    """The measured figure of that name. Raises ValueError if there is not one."""
    (found,) = (goal["measured"] for goal in goals if goal["what"] == what)
    return float(found)
