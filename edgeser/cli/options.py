"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from edgeser.options import Backend, Precision
from edgeser.streaming.vad import Silero, SpeechDetector

ModelOption = Annotated[
    Path | None,
    typer.Option("--model", "-m", metavar="NAME.edgeser", help="A bundle; else the bundled model."),
]

SignedByOption = Annotated[
    Path | None,
    typer.Option(
        "--signed-by",
        metavar="PUBLIC.pem",
        help="Whose the bundle must be: see edgeser verify (extra sign).",
    ),
]

PrecisionOption = Annotated[
    Precision,
    typer.Option("--precision", help="How the weights of the streaming kernels are kept."),
]

BackendOption = Annotated[
    Backend,
    typer.Option("--backend", help="What executes it; auto is a GPU where one can be used."),
]

Vad = Literal["own", "silero"]

VadOption = Annotated[
    Vad,
    typer.Option(
        "--vad",
        help="What decides whether somebody speaks. own: the model, at no cost. silero: Silero "
        "VAD in its place (extra vad), for some 5% of a core.",
    ),
]


def detector_of(vad: Vad) -> SpeechDetector | None:
    """A new detector, for one stream. Raises MissingExtraError if it is not installed."""
    return Silero() if vad == "silero" else None
