"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeser.backends import Precision

ModelOption = Annotated[
    Path | None,
    typer.Option("--model", "-m", metavar="NAME.edgeser", help="A bundle; else the bundled model."),
]

PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", help="How the weights of the streaming kernels are kept."),
]
