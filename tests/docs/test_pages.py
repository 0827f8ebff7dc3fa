"""The documentation is under test: its programs run, its links lead somewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edgeser

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PROGRAMS = [
    pytest.param(program, id=f"{page.relative_to(ROOT / 'docs')}-{number}")
    for page in PAGES
    for number, program in enumerate(PROGRAM.findall(page.read_text(encoding="utf-8")))
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_run_and_print(program: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    for page in PAGES:
        name = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        assert name in contents or name == "index"


def test_everything_public_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    errors = {name for name in edgeser.__all__ if name.endswith(("Error", "Notice"))}
    aliases = {"UtteranceEvent", "__version__"}
    for name in set(edgeser.__all__) - errors - aliases:
        assert f":: edgeser.{name}\n" in reference, name


def test_the_schema_on_the_page_is_the_servers() -> None:
    from edgeser.serve.protocol import SCHEMA

    shown = json.loads((ROOT / "docs" / "schema.json").read_text(encoding="utf-8"))
    assert shown == SCHEMA
