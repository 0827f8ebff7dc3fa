"""CREMA-D, the crowd-sourced emotional multimodal actors dataset (Cao et al. 2014)."""

import csv
import re
from pathlib import Path

from train.data.corpora.files import audio_files, odd_name
from train.data.manifest import CorpusError, Recording

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
VOTES = {code[0]: emotion for code, emotion in EMOTIONS.items()}
# One published file, 1040_ITH_SAD_X, has a single X for its level.
NAME = re.compile(r"(?P<speaker>\d{4})_(?P<text>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(LO|MD|HI|XX?)")
EXPECTED = "actor, sentence, emotion and level, as in AudioWAV/1001_DFA_ANG_XX.wav"
SUMMARY = Path("processedResults") / "summaryTable.csv"


def read_cremad(folder: Path) -> list[Recording]:
    """The recordings of CREMA-D: ``AudioWAV/1001_DFA_ANG_XX.wav``, or the same names in the folder.

    If ``processedResults/summaryTable.csv`` exists, ``perceived`` is the emotion that most
    listeners heard from the voice alone; it is empty for ties.
    """
    inside = folder / "AudioWAV"
    heard = _heard(folder / SUMMARY)
    recordings = []
    for path in audio_files(inside if inside.is_dir() else folder, EXPECTED):
        name = NAME.fullmatch(path.stem)
        if not name or name["emotion"] not in EMOTIONS:
            raise odd_name(path, EXPECTED)
        emotion, speaker = EMOTIONS[name["emotion"]], f"cremad-{name['speaker']}"
        perceived = heard.get(path.stem, "")
        recordings.append(
            Recording(path, "cremad", speaker, emotion, "en", name["text"], perceived)
        )
    return recordings


def _heard(path: Path) -> dict[str, str]:
    """The voice-only majority votes by recording; empty without the table."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [{key.lower(): value for key, value in row.items()} for row in csv.DictReader(file)]
    if not rows or not {"filename", "voicevote"} <= set(rows[0]):
        raise CorpusError(f"{path} is odd: expected the columns FileName and VoiceVote")
    return {row["filename"]: VOTES.get(row["voicevote"], "") for row in rows}
