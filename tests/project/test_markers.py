"""The table of slow tests is valid; every test file is collected without optional extras."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.optional import PACKAGES
from tests.slow import SLOW, is_slow

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"


def test_the_table_names_what_there_is() -> None:
    for name in SLOW:
        assert (TESTS / name).exists(), name
    assert is_slow(TESTS / "train" / "test_fit.py")
    assert not is_slow(TESTS / "sdk" / "test_chunking.py")


def test_quick_and_slow_are_all() -> None:
    quick = [path for path in TESTS.rglob("test_*.py") if not is_slow(path)]
    assert len(quick) > 40


@pytest.mark.slow  # imports all tests again
def test_every_file_is_collected_without_any_extra() -> None:
    """Optional packages are imported where they are used; nothing fails without them."""
    blocked = (
        "import importlib.abc, sys\n"
        f"extras = {sorted(PACKAGES - {'hypothesis'})}\n"
        "class Without(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in extras:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "import pytest\n"
        "sys.exit(pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', 'tests']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    broken = [line for line in done.stdout.splitlines() if line.startswith("ERROR")]
    assert not broken, broken
    assert done.returncode == 0, done.stdout[-2000:]


def test_marks_are_declared() -> None:
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    used = set()
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark":
                used.add(node.attr)
    builtin = {"parametrize", "skipif", "skip", "xfail", "usefixtures", "filterwarnings"}
    for mark in used - builtin:
        assert f'  "{mark}: ' in declared, mark
