"""RAVDESS, the Ryerson audio-visual database of emotional speech and song (Livingstone 2018)."""

import re
from pathlib import Path

from train.data.corpora.files import audio_files, odd_name
from train.data.manifest import Recording

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
SONG = "02"
NAME = re.compile(
    r"(?P<modality>0[13])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])"
    r"-(?P<text>0[12])-(?P<take>0[12])-(?P<speaker>\d\d)"
)
EXPECTED = (
    "modality, channel, emotion, intensity, statement, repetition and actor, "
    "as in Actor_01/03-01-06-01-02-01-01.wav"
)


def read_ravdess(folder: Path) -> list[Recording]:
    """The spoken recordings of RAVDESS: ``Actor_01/03-01-...-01.wav``, or without actor folders.

    Songs, which have similar names, are left out. Only the folder itself and its ``Actor_`` folders
    are read, because one archive in circulation contains a second copy one folder deeper.
    """
    actors = sorted(p for p in folder.glob("Actor_*") if p.is_dir())
    recordings = []
    for path in (p for place in actors or [folder] for p in audio_files(place, EXPECTED)):
        name = NAME.fullmatch(path.stem)
        if not name or (actors and path.parent.name != f"Actor_{name['speaker']}"):
            raise odd_name(path, EXPECTED)
        if name["channel"] == SONG:
            continue
        emotion, speaker = EMOTIONS[name["emotion"]], f"ravdess-{name['speaker']}"
        recordings.append(Recording(path, "ravdess", speaker, emotion, "en", name["text"]))
    return recordings
