"""The path of the bundled model as text, for loading it without pathlib."""

from __future__ import annotations

import os

_PACKAGE = os.path.dirname(os.path.dirname(__file__))  # noqa: PTH120  # pathlib: 4 ms to import
BUNDLED = os.path.join(_PACKAGE, "models", "default.edgeser")  # noqa: PTH118
