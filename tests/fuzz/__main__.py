"""Fuzz what Python parses, by atheris: ``python -m tests.fuzz TARGET [SECONDS] [OPTION ...]``.

Targets are ``protocol``, ``recording`` and ``table``. What is found on the way is kept in
``build/fuzz-python/TARGET``, and an input that failed in ``build/fuzz-python/TARGET-crash-...``,
which ``python -m tests.fuzz TARGET 0 FILE`` runs again. Options are
libFuzzer's. Needs atheris: ``pip install atheris``.
"""

from __future__ import annotations

import gc
import logging
import sys
from pathlib import Path
from types import FunctionType

import atheris

from tests.fuzz.targets import TARGETS

HERE = Path(__file__).parent

# Not by atheris' hook of imports, which an editable installation goes past.
for function in [each for each in gc.get_objects() if isinstance(each, FunctionType)]:
    if (function.__module__ or "").startswith(("edgeser.", "tests.fuzz")):
        atheris.instrument_func(function)


def main() -> None:
    """Fuzz one target."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"{__doc__}")
    seconds, *options = [*sys.argv[2:], "60"][: max(1, len(sys.argv) - 2)]
    logging.getLogger("edgeser").setLevel(logging.ERROR)  # files that are cut short are its bread
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
