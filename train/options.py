"""Options that several commands of ``python -m train`` have."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path, typer.Option(help="Folder with manifest.csv and the corpora.")]
Work = Annotated[Path, typer.Option(help="Folder for caches, logs and checkpoints.")]
TEACHER = Path("../shared/teacher/whisper-base-encoder.safetensors")
Teacher = Annotated[Path, typer.Option(help="Weights of a Whisper encoder.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")]
