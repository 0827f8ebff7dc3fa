"""Folders of recordings, in layouts that users have."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from tests.train.models import voice

RATE = 16_000


def recording(path: Path, seed: int, seconds: float = 1.6) -> None:
    """A voice-like sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = voice(seconds, seed=seed)[0].numpy()
    soundfile.write(path, np.clip(sound, -1, 1), RATE)


def by_folders(
    folder: Path, emotions: Sequence[str], speakers: Sequence[str], each: int = 2
) -> Path:
    """EMOTION/SPEAKER/NUMBER.wav; without the folder of the speaker where that is empty."""
    seed = 0
    for emotion in emotions:
        for speaker in speakers:
            for number in range(each):
                recording(folder / emotion / speaker / f"{number}.wav", seed := seed + 1)
    return folder


def by_table(folder: Path, emotions: Sequence[str], speakers: Sequence[str], each: int = 2) -> Path:
    """The same with a CSV of speakers and emotions."""
    rows, seed = ["path,corpus,speaker,emotion"], 0
    for emotion in emotions:
        for speaker in speakers:
            for _ in range(each):
                recording(folder / "sounds" / f"{(seed := seed + 1)}.wav", seed)
                rows.append(f"sounds/{seed}.wav,mine,{speaker},{emotion}")
    (folder / "list.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder
