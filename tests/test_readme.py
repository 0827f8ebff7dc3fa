"""The README is under test: its programs run, and print what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgeser.loading import DEFAULT_BUNDLE
from edgeser.version import __version__

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def run(program: str) -> str:
    if not DEFAULT_BUNDLE.is_file():
        pytest.skip("the README's programs need edgeser/models/default.edgeser")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def shape(output: str) -> list[str]:
    """Lines with their figures and emotions blotted out: those may differ with the processor."""
    blotted = re.sub(r"[0-9.]+", "#", output)
    return [
        " ".join(line.split()) for line in re.sub(r"\b[a-z]+(?=,? +#)", "X", blotted).splitlines()
    ]


def test_the_first_program_prints_what_is_said() -> None:
    printed = shape(run(blocks("python")[0]))
    said = shape(blocks("text")[0])
    assert printed[-1] == said[-1]
    assert set(printed) == set(said)


@pytest.mark.parametrize("number", range(1, len(blocks("python"))))
def test_every_other_program_runs(number: int) -> None:
    assert run(blocks("python")[number])


def test_there_are_two_commands_of_one_line_each() -> None:
    commands = blocks("sh")
    assert len(commands) == 2
    assert all(command.count("\n") == 1 and command.strip() for command in commands)


def test_what_the_readme_links_to_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
    for folder in re.findall(r"^\| `([a-z/]+)/` \|", README, re.MULTILINE):
        assert (ROOT / folder).is_dir() or folder == "edgeser/models", folder


def test_the_version_is_the_same_everywhere() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = re.search(r'^version = "(.+)"$', project, re.MULTILINE)
    assert declared is not None
    assert declared[1] == __version__
