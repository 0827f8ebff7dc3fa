"""Configuration of the kiosk page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kiosk:
    """The page's title, logo, colours and languages, and when it clears itself."""

    title: str = "edgeser"
    """Shown in the corner, and as the window's title."""
    contact: str = ""
    """Who is responsible and how to reach them: a line at the bottom; empty for none."""
    logo: Path | None = None
    """An SVG, PNG, JPEG or WebP file; None for edgeser's logo."""
    theme: Path | None = None
    """A CSS file that is applied after the page's own. It cannot load anything from other
    servers."""
    languages: Path | None = None
    """A folder with further languages, one ``CODE.json`` each, or with other words for existing
    ones. A file needs all keys of the page's ``languages/en.json``."""
    language: str | None = None
    """Code of the page's first language; None for the browser's."""
    forget_after: float = 60.0
    """Seconds without speech and touch until everything is cleared for the next visitor. Without a
    touch it is cleared after ten times as long, even if there is speech."""
