"""Sphinx settings: ``sphinx-build -W docs build/site``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeser import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))  # for the extensions that lie beside this file

project = "edgeser"
author = project_copyright = "the edgeser authors"
version = release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "figures",
    "generated",
]
exclude_patterns = ["_generated"]

html_title = "edgeser"
html_theme = "furo"
pygments_dark_style = "github-dark"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#14606b", "color-brand-content": "#14606b"},
    "dark_css_variables": {"color-brand-primary": "#59b8c4", "color-brand-content": "#59b8c4"},
}

myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Warns", "returns_style")]
python_use_unqualified_type_names = True


def setup(app: Sphinx) -> None:
    """Keep Napoleon from taking what is before a colon for the type of an attribute."""
    written: dict[str, list[str]] = {}

    def before(_: Sphinx, what: str, name: str, *rest: Any) -> None:
        if what in ("attribute", "property"):
            written[name] = list(rest[-1])

    def after(_: Sphinx, what: str, name: str, *rest: Any) -> None:
        if what in ("attribute", "property"):
            rest[-1][:] = written[name]

    app.connect("autodoc-process-docstring", before, priority=400)
    app.connect("autodoc-process-docstring", after, priority=600)
