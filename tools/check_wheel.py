"""Tests the installed package, not the checkout that it was built from. Every wheel must pass.

``python tools/check_wheel.py`` runs the tests of promises, bundles and utterances in a folder that
has the tests alone. It needs what the group ``wheel-test`` in pyproject.toml names. Arguments go on
to pytest.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ("sdk", "bundle", "utterances")

with tempfile.TemporaryDirectory() as folder:
    here = Path(folder).resolve()
    shutil.copytree(ROOT / "tests", here / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", here)
    if (ROOT / "models").is_dir():  # no part of the source distribution
        shutil.copytree(ROOT / "models", here / "models")
    say = "import edgeser; print(edgeser.__version__, edgeser.__file__)"
    found = subprocess.run(  # noqa: S603 - this Python itself
        [sys.executable, "-c", say], cwd=here, check=True, capture_output=True, text=True
    ).stdout.strip()
    print(found, flush=True)
    if Path(found.split(maxsplit=1)[1]).is_relative_to(ROOT / "edgeser"):
        sys.exit("this is the checkout: install the wheel first, without -e")
    quick = ["pytest", "-q", "-m", "not slow and not checkout", *sys.argv[1:]]
    for command in (
        ["edgeser", "info"],
        ["edgeser", "demo"],
        [*quick, *(f"tests/{name}" for name in TESTS)],
    ):
        subprocess.run([sys.executable, "-m", *command], cwd=here, check=True)  # noqa: S603
