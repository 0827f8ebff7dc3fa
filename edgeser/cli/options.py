"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from edgeser.options import Backend, Precision
from edgeser.streaming.vad import Silero, SpeechDetector

ModelOption = Annotated[
    Path | None,
    typer.Option("--model", "-m", metavar="NAME.edgeser", help="Default: the bundled model."),
]

SignedByOption = Annotated[
    Path | None,
    typer.Option(
        "--signed-by",
        metavar="PUBLIC.pem",
        help="Public key that the bundle must be signed with (extra sign).",
    ),
]

PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", help="Number format of the weights."),
]

BackendOption = Annotated[
    Backend,
    typer.Option("--backend", help="Device; auto uses a GPU if one works, else the CPU."),
]

Vad = Literal["own", "silero"]

VadOption = Annotated[
    Vad,
    typer.Option(
        "--vad",
        help="Speech detector. own: that of the model, at no cost. silero: Silero "
        "VAD (extra vad), for some 5% of a core.",
    ),
]


def detector_of(vad: Vad) -> SpeechDetector | None:
    """A new detector, for one stream. Raises MissingExtraError if it is not installed."""
    return Silero() if vad == "silero" else None
