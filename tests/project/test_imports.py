"""Import rules: the contracts in pyproject.toml, checked by import-linter."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="import-linter is not installed (extra dev)")

ROOT = Path(__file__).parents[2]
PACKAGES = ("edgeser", "train", "bench")
# What is in the folder comes before what is installed, editable or not.
LINT = """
import importlib.machinery, sys
sys.path.insert(0, sys.argv[1])
sys.meta_path.insert(0, importlib.machinery.PathFinder)
from importlinter.cli import lint_imports
raise SystemExit(lint_imports(no_cache=True, no_logo=True))
"""


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Hold the packages in a folder to the contracts beside them; nothing of them is imported."""
    return subprocess.run(
        [sys.executable, "-c", LINT, str(root)],
        cwd=root,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_the_contracts_are_kept() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        (
            "edgeser/bundle/paths.py",
            "from edgeser.loading import load",
            "edgeser imports downwards",
        ),
        ("edgeser/results.py", "from train import files", "knows nothing of training"),
        ("train/models/segment.py", "from train.product import Product", "no circles"),
        ("edgeser/lost.py", "", "edgeser imports downwards"),
    ],
)
def test_what_they_forbid_is_found(tmp_path: Path, module: str, line: str, broken: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    with (tmp_path / module).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    done = lint(tmp_path)
    assert done.returncode != 0
    assert broken in done.stdout, done.stdout + done.stderr
