"""Text from a bundle is shown without escape sequences or markup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests import toy
from tests.cli.conftest import run
from tests.sounds import speech_like

ODD = "\x1b[2J\x9b31m\x7f\u202e\u2028[/x][red]$\\nope{$"
"""The manifest's own text may not contain control characters."""
PRINTABLE = "[/x][red]$\\nope{$"
STRANGE: dict[str, dict[str, Any]] = {
    "names": {
        "name": PRINTABLE,
        "version": PRINTABLE,
        "licence": PRINTABLE,
        "notices": [PRINTABLE],
        "labels": [f"{PRINTABLE}{n}" for n in range(4)],
    },
    "training": {
        "training": {
            "speaker_independent": {ODD: {"ua": 0.5, "wa": 0.25}, "b": {"ua": ODD}, "c": [ODD]},
            "cross_corpus": [ODD],
            "provenance": {"commit": ODD},
        },
        ODD: ODD,
    },
    "other training": {"training": [ODD]},
    "figures that are none": {
        "training": {"speaker_independent": {"a": {"ua": "x", "wa": None}}, "provenance": ODD}
    },
}


@pytest.mark.parametrize("name", STRANGE)
def test_it_does_nothing_to_a_terminal(tmp_path: Path, name: str) -> None:
    path, sound = toy.write(tmp_path / "m.edgeser", **STRANGE[name]), tmp_path / "a.wav"
    soundfile.write(sound, speech_like(1.0), 16_000)
    commands: list[list[object]] = [["info"], ["info", "--json"]]
    if name == "names":
        commands += [["demo"], ["doctor"], ["doctor", "--json"], ["analyze", sound]]
    for command in commands:
        model = [path] if command[0] == "info" else ["-m", path]
        done = run(*command, *model, COLUMNS="160")
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        said = done.stdout
        assert not set(said) & set("\x1b\x9b\x7f\u202e\u2028"), command
        if "--json" in command:
            json.loads(said)
        elif name == "names":
            assert "[/x][red]" in said, command


def test_what_is_told_is_whole(tmp_path: Path) -> None:
    path = toy.write(tmp_path / "m.edgeser", **STRANGE["training"])
    said = run("info", path).stdout
    assert r"\x1b[2J\x9b31m\x7f\u202e\u2028[/x][red]$\nope{$, unheard speakers" in said
    assert "UA 0.500, WA 0.250" in said
    assert json.loads(run("info", "--json", path).stdout)["manifest"][ODD] == ODD


def test_it_is_no_formula_in_a_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = toy.write(tmp_path / "m.edgeser", **STRANGE["names"])
    sound, picture = tmp_path / "$\\nope{$.wav", tmp_path / "a.svg"
    soundfile.write(sound, speech_like(1.0), 16_000)
    done = run("analyze", "-m", path, sound, "--plot", picture)
    assert done.returncode == 0, done.stderr
    assert picture.stat().st_size > 1000
