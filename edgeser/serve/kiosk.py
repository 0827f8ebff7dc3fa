"""Configuration of the kiosk's page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kiosk:
    """The page's title, logo, colours and languages, and when it is cleared."""

    title: str = "edgeser"
    """In the corner, and the window's."""
    contact: str = ""
    """Who is responsible and how to reach them: a line under the sign; empty for none."""
    logo: Path | None = None
    """An SVG, PNG, JPEG or WebP file; None for that of edgeser."""
    theme: Path | None = None
    """A CSS file, read after the page's own. It can load nothing from anywhere else."""
    languages: Path | None = None
    """A folder of more languages, one ``CODE.json`` each, or of other words for those that the page
    has. A file has every key that the page's ``languages/en.json`` has."""
    language: str | None = None
    """Code of the language that the page begins in; None for the browser's."""
    forget_after: float = 60.0
    """Seconds without a voice or a touch until everything is cleared for the next visitor; ten
    times as long without a touch, whatever is heard."""
