"""The progress bar of a TensorRT engine build."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from edgeser.cli.loading import engine_bar


def drawn(*parts: float, terminal: bool = True, fails: bool = False) -> str:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=80, color_system=None)
    try:
        with engine_bar(console) as show:
            for done in parts:
                show(done)
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    return written.getvalue()


def test_nothing_is_drawn_where_nothing_is_built() -> None:
    assert drawn() == ""
    assert drawn(1.0, 1.0) == ""


def test_nothing_is_drawn_where_nobody_looks() -> None:
    assert drawn(0.1, 0.9, 1.0, terminal=False).strip() == ""


@pytest.mark.parametrize("parts", [(0.1, 0.5, 1.0, 1.0), (0.1, 0.5)])
def test_it_appears_and_goes(parts: tuple[float, ...]) -> None:
    text = drawn(*parts, fails=parts[-1] < 1)
    assert "TensorRT builds its engine" in text
    assert "\x1b[?25l" in text  # the cursor is hidden
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # and comes back
