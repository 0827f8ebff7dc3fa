"""A Sphinx extension: parts of pages that code writes, before anything is read.

``NAME.py`` beside this file has a function ``written``; its text becomes ``_generated/NAME.md``.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PARTS = ("commands", "plainly")


def write(app: Sphinx) -> None:
    """Write all of them."""
    folder = Path(app.srcdir) / "_generated"
    folder.mkdir(exist_ok=True)
    for name in PARTS:
        text = import_module(name).written()
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Write before anything is read."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
