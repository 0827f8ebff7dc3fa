"""Tests of the documentation: links are valid, and the public API is complete.

``test_blocks.py`` runs its programs.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest

import edgeser

ROOT = Path(__file__).parents[2]
PAGES = sorted(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "_generated")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "docs" / "index.md").read_text(encoding="utf-8").splitlines()
    for folder in ("reference", "contributing"):
        index = (ROOT / "docs" / folder / "index.md").read_text(encoding="utf-8")
        contents += [f"{folder}/{line}" for line in index.splitlines()]
    for page in PAGES:
        name = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        assert name in contents or name == "index"


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "contributing").glob("*.md")))
def test_files_to_touch_are_there(page: Path) -> None:
    top = {path.name for path in ROOT.iterdir() if path.is_dir()}
    named = re.findall(r"`([\w./*-]+/[\w./*-]*)`", page.read_text(encoding="utf-8"))
    for name in named:
        if "NAME" not in name and Path(name).parts[0] in top:
            assert list(ROOT.glob(name.rstrip("/"))), name


def public_names() -> list[str]:
    """All exports of edgeser's packages."""
    names = []
    for found in pkgutil.walk_packages(edgeser.__path__, "edgeser."):
        if found.ispkg:
            package = importlib.import_module(found.name)
            names += [f"{found.name}.{name}" for name in getattr(package, "__all__", ())]
    shorter = {name.rsplit(".", 1)[1] for name in names} & set(edgeser.__all__)
    names = [name for name in names if name.rsplit(".", 1)[1] not in shorter]
    return [*names, *(f"edgeser.{name}" for name in edgeser.__all__ if name != "__version__")]


def test_everything_public_is_in_the_reference() -> None:
    pages = (ROOT / "docs" / "reference").glob("*.md")
    reference = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert ".. automodule:: edgeser.errors\n" in reference
    for name in public_names():
        if not hasattr(edgeser.errors, name.rsplit(".", 1)[1]):
            assert re.search(rf":: {re.escape(name)}(\(\))?\n", reference), name


def test_every_command_is_on_the_page() -> None:
    pytest.importorskip("sphinx")
    from docs.commands import written
    from edgeser.cli import app

    text = written()
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert f"\n## `edgeser {name}`\n" in text
        assert "..." not in re.sub(r"^\$ .*$", "", text, flags=re.MULTILINE)  # nothing cut short
    assert " --" not in "".join(text.split("`")[::2])


def test_the_schema_on_the_page_is_the_servers() -> None:
    from edgeser.serve.protocol import SCHEMA

    shown = json.loads((ROOT / "docs" / "schema.json").read_text(encoding="utf-8"))
    assert shown == SCHEMA


def test_benchmarks_begin_with_what_they_mean() -> None:
    """Before any table; with the figures of the last runs."""
    from docs.plainly import RESULTS, written

    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    words = page.index("```{include} _generated/plainly.md")
    assert words < min(page.index("|"), page.index("```{include} ../bench"))
    text = written()
    goals = json.loads((RESULTS / "amd-epyc.json").read_text(encoding="utf-8"))["goals"]
    missed = [goal for section in goals.values() for goal in section if goal["reached"] is False]
    assert f"{len(missed)} miss it" in text
    for jargon in ("p99", "FMA", "B=", "warm", "peer"):
        assert jargon not in text


@pytest.mark.parametrize("word", ["Windows", "Docker", "valence", "multiprocessing"])
def test_what_is_searched_for_has_an_answer(word: str) -> None:
    """In a heading, which the site's search shows first."""
    questions = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
    assert re.search(rf"^## .*\b{word}\b.*\?$", questions, re.MULTILINE)


def test_nothing_is_to_be_installed_from_where_it_is_not() -> None:
    """No version is on PyPI: pages may only name a checkout, a wheel, or an extra of these."""
    for page in [ROOT / "README.md", *PAGES]:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"pip3? install[^\n`]* ['\"]?edgeser['\"]?(?=\s|$)", text), page


def test_nothing_claims_to_know_what_voices_feel() -> None:
    """They say how a voice sounds. A page must not claim what edgeser does not know."""
    claims = re.compile(
        r"\b(?:voices?|speakers?|people|they|visitors?)\b[^.\n]{0,20}\bfeel", re.IGNORECASE
    )
    units = [
        unit
        for page in PAGES
        for unit in re.findall(r"^Description=.*", page.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert units
    for text in units:
        assert "feel" not in text
    for folder in ("csrc", "docs", "edgeser", "examples", "bench", "train"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".md", ".h", ".cpp", ".c", ".js", ".json", ".yaml", ".html"}:
                text = path.read_text(encoding="utf-8")
                assert not claims.search(text), path
