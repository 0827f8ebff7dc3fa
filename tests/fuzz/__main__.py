"""Fuzz what Python parses, by atheris: ``python -m tests.fuzz TARGET [SECONDS] [OPTION ...]``.

Targets are ``protocol``, ``recording`` and ``table``. What is found on the way is kept in
``build/fuzz-python/TARGET``, and an input that failed in ``build/fuzz-python/TARGET-crash-...``,
which ``python -m tests.fuzz TARGET 0 FILE`` runs again. Options are
libFuzzer's. Needs atheris: ``pip install atheris``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent

with atheris.instrument_imports(include=["edgeser"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz one target."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"{__doc__}")
    seconds, *options = [*sys.argv[2:], "60"][: max(1, len(sys.argv) - 2)]
    kept = Path("build") / "fuzz-python" / name
    kept.mkdir(parents=True, exist_ok=True)
    command = [sys.argv[0], *options]
    if seconds != "0":
        folders = [str(kept), str(HERE / "corpus" / name)]
        limits = [f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048"]
        command += [f"-artifact_prefix={kept}-", *limits, *folders]
    atheris.Setup(command, TARGETS[name])
    atheris.Fuzz()


main()
