"""Saves results, with a description of the machine.

Imports nothing that has to be built, because bench/gpu uses it before the build.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


def facts(shared: bool) -> dict[str, object]:
    """The machine, the versions and the date."""
    import edgeser
    from edgeser.cli.bench import machine_name

    return {
        "machine": machine_name(),
        "version": edgeser.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "shared": _shared() if shared else "was idle otherwise",
    }


def _shared() -> str:
    first = hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER
    priority = "; real-time priority put this before it" if first else ""
    return f"was shared with other work{priority}"


def machine_stem() -> str:
    """The machine's name as a file name."""
    from edgeser.cli.bench import machine_name

    return stem(machine_name())


def stem(name: str) -> str:
    """A name as a file name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def save(name: str, figures: Mapping[str, object], page: str, folder: Path) -> None:
    """Writes ``NAME.json`` and ``NAME.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    rounded = json.loads(json.dumps(figures), parse_float=lambda text: float(f"{float(text):.6g}"))
    (folder / f"{name}.json").write_text(json.dumps(rounded, indent=1) + "\n")
    (folder / f"{name}.md").write_text(page)
