"""Draw every figure into a folder: ``python -m docs.figures FOLDER``."""

import sys
from pathlib import Path

from . import draw_all

if __name__ == "__main__":
    draw_all(Path(sys.argv[1]))
