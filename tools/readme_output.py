"""Run the README's first program and put what it prints into the README, below it.

    python tools/readme_output.py

To be run when the bundled model or the program has changed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def main() -> None:
    """Replace the README's first text block by the output of its first python block."""
    text = README.read_text(encoding="utf-8")
    program = re.search(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    block = re.search(r"^```text\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    if program is None or block is None:
        raise SystemExit("README.md has no python block or no text block")
    command = [sys.executable, "-c", program[1]]
    done = subprocess.run(  # noqa: S603
        command, cwd=README.parent, check=True, capture_output=True, text=True
    )
    README.write_text(text[: block.start(1)] + done.stdout + text[block.end(1) :], encoding="utf-8")


if __name__ == "__main__":
    main()
