"""Sphinx settings: ``sphinx-build -W docs build/site``."""

from edgeser import __version__

project = "edgeser"
author = "the edgeser authors"
version = release = __version__
html_title = "edgeser"
html_theme = "furo"
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#14606b", "color-brand-content": "#14606b"},
    "dark_css_variables": {"color-brand-primary": "#59b8c4", "color-brand-content": "#59b8c4"},
}
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Warns", "returns_style")]
python_use_unqualified_type_names = True
