"""Runs the programs on the pages and puts their output below them.

    python tools/page_output.py

That is every ``python`` block that a ``text`` block follows, in the README and in docs/, and the
README's picture. To be run when the bundled model or a program has changed; the tests only compare
shapes, since figures may differ from one processor to another.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import edgeser
from edgeser.plot import envelope, timeline

ROOT = Path(__file__).parent.parent
SAMPLE = Path("edgeser/samples/voices.ogg")
PAIR = re.compile(
    r"(^```python\n(?P<program>(?:(?!^```).)*?)^```\n(?:(?!^```).)*?^```text\n).*?(?=^```$)",
    re.DOTALL | re.MULTILINE,
)


def printed(pair: re.Match[str]) -> str:
    """A pair of blocks with what the first prints in the second."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "program.py"  # a file, for programs that start processes
        program.write_text(pair["program"], encoding="utf-8")
        done = subprocess.run(  # noqa: S603
            [sys.executable, str(program)], cwd=ROOT, check=True, capture_output=True, text=True
        )
    return pair[1] + done.stdout


def draw() -> None:
    """The sample's timeline; the model's hash in it tells whether it is still true."""
    model = edgeser.load()
    figure = timeline(model.analyze(ROOT / SAMPLE), envelope(ROOT / SAMPLE))
    figure.savefig(
        ROOT / "docs" / "timeline.png",
        dpi=110,
        facecolor="white",
        metadata={"Description": model.hash, "Software": None},
    )


def main() -> None:
    """Replace the output in every page that shows any, and draw the picture."""
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        page.write_text(PAIR.sub(printed, text), encoding="utf-8")
    draw()


if __name__ == "__main__":
    main()
