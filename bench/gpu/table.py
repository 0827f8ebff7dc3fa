"""Everyone's latencies side by side: a row for each contestant, a column for each size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.gpu.names import BOUND, ON_DEVICE
from bench.judge import MICROSECOND
from bench.rounds import Rounds

HEAD = """\
## {title}

Microseconds until the host knows that it is done; in brackets by the device's clock.

"""


def latencies(title: str, parts: Mapping[str, Any], columns: Sequence[str]) -> str:
    """A table of the parts named ``columns``; empty if none of them has figures."""
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
        cells = [_cell(Rounds(part["seconds"]), name) for part in told.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return HEAD.format(title=title) + "\n".join(lines) + "\n\n"


def _cell(rounds: Rounds, name: str) -> str:
    if name not in rounds.seconds:
        return "absent"
    host, device = (rounds.median(name + end) / MICROSECOND for end in ("", ON_DEVICE))
    return f"{host:,.1f} ({device:,.1f})"
