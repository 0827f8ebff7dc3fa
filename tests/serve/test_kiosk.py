"""Customising the page: title, logo, theme, languages; refused values."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import edgeser
from edgeser.errors import ServeError
from edgeser.serve import Kiosk
from tests.serve.conftest import Start

pytest.importorskip("starlette")
LANGUAGES = Path(edgeser.__file__).parent / "serve" / "page" / "languages"
ENGLISH = json.loads((LANGUAGES / "en.json").read_text(encoding="utf-8"))


def refused(kiosk: Kiosk) -> str:
    from edgeser.serve.assets import page_routes

    with pytest.raises(ServeError) as problem:
        page_routes(kiosk, ("neutral",))
    return str(problem.value)


def write(folder: Path, code: str, **changes: Any) -> Path:
    (folder / f"{code}.json").write_text(json.dumps({**ENGLISH, **changes}), encoding="utf-8")
    return folder


def test_what_the_kiosk_brings_is_served_under_the_same_policy(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "own.css").write_text(":root { --accent: teal; }")
    (tmp_path / "own.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    words = write(tmp_path, "nl", name="Nederlands")
    address, _ = start(
        *("--title", "Museum", "--contact", "Hall 3", "--language", "nl", "--forget-after", "20"),
        *("--theme", str(tmp_path / "own.css"), "--logo", str(tmp_path / "own.svg")),
        *("--languages", str(words)),
    )

    def get(path: str) -> tuple[bytes, Any]:
        with urllib.request.urlopen(f"http://{address}/{path}", timeout=5) as answer:
            return answer.read(), answer.headers

    config = json.loads(get("config.json")[0])
    assert config["title"] == "Museum"
    assert config["contact"] == "Hall 3"
    assert config["forget_after"] == 20
    assert config["labels"] == list(edgeser.load().labels)
    assert [entry["code"] for entry in config["languages"]] == ["de", "en", "es", "fr", "ja", "nl"]
    assert get("theme.css")[0] == b":root { --accent: teal; }"
    assert get(config["logo"])[1]["Content-Type"] == "image/svg+xml"
    assert json.loads(get("languages/nl.json")[0])["name"] == "Nederlands"
    for path in ("", "app.js", "config.json", "theme.css", "logo", "languages/en.json"):
        policy = get(path)[1]["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"begin": 3}, "begin is not a text"),
        ({"begin": ""}, "begin is not a text"),
        ({"beginn": "x"}, "beginn is unknown"),
        ({"sign": ["a", 1]}, "sign has 1, which is no text"),
        ({"faults": {}}, "faults.opening is missing"),
        ({"direction": "left"}, "direction is 'left', and has to be ltr or rtl"),
        ({"sure": "{shares} zeker"}, "sure has {shares}, which nothing is put into"),
    ],
)
def test_a_language_without_the_pages_words_is_refused(
    changes: dict[str, Any], what: str, tmp_path: Path
) -> None:
    said = refused(Kiosk(languages=write(tmp_path, "nl", **changes)))
    assert f"nl.json: {what}. Copy the page's en.json" in said


def test_files_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused(Kiosk(theme=tmp_path / "none.css"))
    assert "cannot be read" in refused(Kiosk(logo=tmp_path / "none.svg"))
    assert "is no logo" in refused(Kiosk(logo=tmp_path / "logo.exe"))
    assert "has no language" in refused(Kiosk(languages=tmp_path))
    assert "there is no language 'xx': give one of de, en" in refused(Kiosk(language="xx"))
    for never in (0, float("inf"), float("nan")):
        assert "give seconds, more than 0" in refused(Kiosk(forget_after=never))
    for code in ("pt_BR", "Dutch words", "x"):
        folder = tmp_path / code
        folder.mkdir()
        assert "is not a language tag" in refused(Kiosk(languages=write(folder, code)))
    (tmp_path / "nl.json").write_bytes(b"\xff{}")
    assert "is not JSON in UTF-8" in refused(Kiosk(languages=tmp_path))


def test_text_that_cannot_be_served_is_refused(tmp_path: Path) -> None:
    """Otherwise the page would not find its configuration."""
    for odd in (Kiosk(title="caf\udce9"), Kiosk(contact="caf\udce9")):
        assert "is not UTF-8" in refused(odd)
    assert "is not JSON in UTF-8" in refused(Kiosk(languages=write(tmp_path, "nl", name="\ud83d")))
    labels = {**ENGLISH["labels"], "bored": float("nan")}
    assert "is not JSON" in refused(Kiosk(languages=write(tmp_path, "nl", labels=labels)))


@pytest.mark.skipif(sys.platform == "win32", reason="has neither pipes in folders nor /dev")
def test_files_that_never_end_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.css"
    os.mkfifo(pipe)
    assert "it is not a regular file" in refused(Kiosk(theme=pipe))
    assert "it is not a regular file" in refused(Kiosk(theme=Path("/dev/zero")))
    (tmp_path / "logo.svg").symlink_to("/dev/zero")
    assert "it is not a regular file" in refused(Kiosk(logo=tmp_path / "logo.svg"))
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(1 << 40)
    assert "it has more than 16777216 bytes" in refused(Kiosk(logo=tmp_path / "huge.png"))


@pytest.mark.parametrize("code", ["{everything:path}", "..", "nl\x1b[31m", "n" * 36, "nl.de"])
def test_a_language_is_named_after_one(code: str, tmp_path: Path) -> None:
    """Its name becomes part of a URL: braces in it would match all others."""
    assert "is not a language tag" in refused(Kiosk(languages=write(tmp_path, code)))


def test_a_language_is_no_maze(tmp_path: Path) -> None:
    (tmp_path / "nl.json").write_text("[" * 100_000)
    assert "nested too deeply" in refused(Kiosk(languages=tmp_path))


def test_models_may_have_labels_that_no_language_names(tmp_path: Path) -> None:
    from edgeser.serve.assets import page_routes

    assert page_routes(Kiosk(languages=write(tmp_path, "pt-BR", labels={"bored": "x"})), ("bored",))
