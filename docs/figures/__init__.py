"""The figures of the documentation, drawn from the model's own sizes and measured results.

A Sphinx extension: while the site is built, each figure is drawn twice, for light pages and for
dark ones, and the directive ``{drawn} NAME`` shows the one that fits. By hand::

    python -m docs.figures FOLDER
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives

from . import latency, own_data, receptive_field, rings, segments
from .style import SCHEMES, Scheme, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from sphinx.application import Sphinx

FIGURES: dict[str, Callable[[Scheme], Figure]] = {
    "segments": segments.draw,
    "receptive-field": receptive_field.draw,
    "rings": rings.draw,
    "latency": latency.draw,
    "own-data": own_data.draw,
}

FOLDER = "_generated"


def draw_all(folder: Path) -> None:
    """Draw every figure into ``folder``, as ``NAME-light.svg`` and ``NAME-dark.svg``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in FIGURES.items():
        for scheme in SCHEMES:
            save(figure(scheme), folder / f"{name}-{scheme.name}.svg")


class Drawn(Directive):
    """A figure by its name; what the directive contains is the caption.

    ``:alt:`` must say in words what is to be seen, for those who cannot see it.
    """

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"alt": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Both images, of which the theme shows one, and the caption."""
        name = self.arguments[0]
        if name not in FIGURES:
            raise self.error(f"there is no figure {name}: choose one of {', '.join(FIGURES)}")
        if "alt" not in self.options:
            raise self.error(f"say in words what {name} shows: give it an :alt:")
        figure = nodes.figure(classes=["drawn"])
        for scheme in SCHEMES:
            uri = f"/{FOLDER}/{name}-{scheme.name}.svg"
            figure += nodes.image(uri=uri, alt=self.options["alt"], classes=[f"only-{scheme.name}"])
        caption = nodes.caption()
        self.state.nested_parse(self.content, self.content_offset, caption)
        figure += nodes.caption("", "", *[c for p in caption.children for c in p.children])
        return [figure]


def setup(app: Sphinx) -> dict[str, Any]:
    """Draw before anything is read."""
    app.add_directive("drawn", Drawn)
    app.connect("builder-inited", lambda app: draw_all(Path(app.srcdir) / FOLDER))
    return {"parallel_read_safe": True}
