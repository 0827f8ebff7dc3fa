"""Tests of the README: two commands, valid links, correct figures.

``tests/docs/test_blocks.py`` runs its programs.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import edgeser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


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


def test_its_figures_are_those_of_the_model() -> None:
    judged = json.loads((ROOT / "docs" / "model" / "judged.json").read_text(encoding="utf-8"))
    assert judged["model"]["hash"] == edgeser.load().hash, "run python -m train judge"
    for corpus, found in judged["corpora"].items():
        name = {"cremad": "CREMA-D", "emodb": "EmoDB", "ravdess": "RAVDESS"}[corpus]
        cold = found["conditions"]["1 s of its floor"]["ua"]
        warm = found["ten_heard"]["ua"]
        row = rf"^\| {name}, .* \| {cold:.2f} \| {warm:.2f} \|$"
        assert re.search(row, README, re.MULTILINE), f"{corpus}: {cold:.2f}, {warm:.2f} now"
    speech = json.loads((ROOT / "docs" / "model" / "speech.json").read_text(encoding="utf-8"))
    for row in speech["in_speech"]:
        if row["snr"] == 10:
            name = {"edgeser": "it", "Silero VAD": "Silero VAD"}[row["detector"]]
            assert f"{name} missed {row['missed']:.0%}" in " ".join(README.split())


def test_its_picture_is_of_the_bundled_model() -> None:
    picture = (ROOT / "docs" / "timeline.png").read_bytes()
    assert edgeser.load().hash.encode() in picture, "run tools/page_output.py"
