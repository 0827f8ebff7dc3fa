"""Serves the page's files, and the logo, theme and languages that a kiosk adds."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from edgeser.errors import ServeError
from edgeser.files import read_plain
from edgeser.serve.access import is_text
from edgeser.serve.kiosk import Kiosk
from edgeser.version import __version__

PAGE = Path(__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
LARGEST_FILE = 16 << 20
"""Limit in bytes for each file of a kiosk; photographs are smaller."""
CODE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""A language code as browsers use it (BCP 47)."""
DIRECTIONS = ("ltr", "rtl")
HOLE = re.compile(r"\{\w+\}")
LOGOS = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}


def page_routes(kiosk: Kiosk, labels: tuple[str, ...]) -> list[BaseRoute]:
    """The page's routes, for a model with these labels.

    The kiosk's files are read once, now, so deleting them later does no harm.

    Raises:
        ServeError: a file of the kiosk cannot be read or used.
    """
    languages = _languages(kiosk.languages)
    if kiosk.language is not None and kiosk.language not in languages:
        raise ServeError(
            f"there is no language {kiosk.language!r}: give one of {', '.join(languages)}, "
            f"or a folder that has {kiosk.language}.json"
        )
    for what, text in (("title", kiosk.title), ("contact", kiosk.contact)):
        if not is_text(text):
            raise ServeError(f"the {what} {text!r} is not UTF-8: give it in UTF-8")
    if not 0 < kiosk.forget_after < math.inf:
        raise ServeError(f"forget after {kiosk.forget_after:g} s: give seconds, more than 0")
    config = {
        "version": __version__,
        "title": kiosk.title,
        "contact": kiosk.contact,
        "logo": "icon.svg" if kiosk.logo is None else "logo",
        "forget_after": kiosk.forget_after,
        "language": kiosk.language,
        "languages": [{"code": code, "name": words["name"]} for code, words in languages.items()],
        "labels": labels,
    }
    files: dict[str, tuple[bytes, str]] = {}
    if kiosk.theme is not None:
        files["/theme.css"] = (_read(kiosk.theme, "theme"), "text/css")
    if kiosk.logo is not None:
        kind = LOGOS.get(kiosk.logo.suffix.lower())
        if kind is None:
            raise ServeError(f"{kiosk.logo} is no logo: give {', '.join(LOGOS)}")
        files["/logo"] = (_read(kiosk.logo, "logo"), kind)
    routes = [_file(path, content, kind) for path, (content, kind) in files.items()]
    routes += [_json(f"/languages/{code}.json", words) for code, words in languages.items()]
    return [*routes, _json("/config.json", config), Mount("/", _Page(directory=PAGE, html=True))]


def _languages(folder: Path | None) -> dict[str, dict[str, Any]]:
    """Maps language codes to words: the page's own, overridden by those of a folder."""
    own = {path.stem: path for path in sorted((PAGE / "languages").glob("*.json"))}
    brought: dict[str, Path] = {}
    if folder is not None:
        brought = {path.stem: path for path in sorted(folder.glob("*.json"))}
        if not brought:
            raise ServeError(f"{folder} has no language: put CODE.json files into it")
        if strays := [code for code in brought if not CODE.fullmatch(code)]:
            raise ServeError(
                f"{brought[strays[0]]}: {strays[0]!r} is not a language tag. Name the file by its "
                "tag, such as nl.json or pt-BR.json"
            )
    pattern = _words(own["en"], None)
    return {code: _words(path, pattern) for code, path in sorted((own | brought).items())}


def _words(path: Path, pattern: dict[str, Any] | None) -> dict[str, Any]:
    """The words of one language; their keys must be those of ``pattern``."""
    try:
        words: dict[str, Any] = json.loads(_read(path, "language").decode())
        json.dumps(words, ensure_ascii=False, allow_nan=False).encode()  # as it will be served
    except ValueError as problem:
        raise ServeError(f"{path} is not JSON in UTF-8: {problem}") from None
    except RecursionError:
        raise ServeError(f"{path} is not JSON of words: it is nested too deeply") from None
    if pattern is not None and (wrong := _difference(words, pattern)):
        raise ServeError(f"{path}: {wrong}. Copy the page's en.json and translate its values")
    return words


def _difference(words: Any, pattern: Any, where: str = "") -> str:
    """Describes where words differ from the shape of the pattern; empty if they do not."""
    if type(words) is not type(pattern) or words == "":
        return f"{where or 'the file'} is not {_kind(pattern)}"
    if where == "direction" and words not in DIRECTIONS:
        return f"direction is {words!r}, and has to be {' or '.join(DIRECTIONS)}"
    if isinstance(pattern, str):
        known = set(HOLE.findall(pattern))
        strays = [hole for hole in HOLE.findall(words) if hole not in known]
        return f"{where} has {strays[0]}, which nothing is put into" if strays else ""
    if isinstance(pattern, list):
        strays = [item for item in words if not isinstance(item, str)]
        return f"{where} has {strays[0]!r}, which is no text" if strays else ""
    if not isinstance(pattern, dict):
        return ""
    free = where == "labels"  # models define their own labels
    for key, value in pattern.items():
        if key not in words and not free:
            return f"{_joined(where, key)} is missing"
        if key in words and (wrong := _difference(words[key], value, _joined(where, key))):
            return wrong
    strays = [] if free else [key for key in words if key not in pattern]
    return f"{_joined(where, strays[0])} is unknown" if strays else ""


def _kind(pattern: Any) -> str:
    if isinstance(pattern, str):
        return "a text"
    return "a list of texts" if isinstance(pattern, list) else "an object"


def _joined(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _read(path: Path, what: str) -> bytes:
    try:
        return read_plain(path, LARGEST_FILE)[0]
    except (OSError, ValueError) as problem:  # a pipe, a device, or an endless file
        why = getattr(problem, "strerror", None) or problem
        raise ServeError(
            f"the {what} {path} cannot be read ({why}): give a file that can be"
        ) from None


def _file(path: str, content: bytes, kind: str) -> Route:
    async def answer(request: Request) -> Response:
        del request
        return Response(content, media_type=kind, headers=HEADERS)

    return Route(path, answer)


def _json(path: str, value: object) -> Route:
    async def answer(request: Request) -> Response:
        del request
        return JSONResponse(value, headers=HEADERS)

    return Route(path, answer)


class _Page(StaticFiles):
    """The page's files, with a policy that forbids loading anything from other servers."""

    def file_response(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        response = super().file_response(*args, **kwargs)
        response.headers.update(HEADERS)
        return response
