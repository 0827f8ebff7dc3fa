"""The version of the package, from its one source: ``python tools/version.py [--is VERSION]``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "edgeser" / "version.py"


def version() -> str:
    """As ``0.1.0``; importing the package for it would need it built."""
    (found,) = re.findall(r'^__version__ = "(\d+\.\d+\.\d+)"$', SOURCE.read_text(), re.MULTILINE)
    return str(found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--is"] and sys.argv[2:] != [version()]:
        sys.exit(f"edgeser/version.py says {version()}, not {' '.join(sys.argv[2:])}")
    print(version())
