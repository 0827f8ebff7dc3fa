"""EmoDB, the Berlin database of emotional speech (Burkhardt et al. 2005)."""

import re
from pathlib import Path

from train.data.corpora.files import audio_files, odd_name
from train.data.manifest import Recording

EMOTIONS = {  # first letters of the German words
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
NAME = re.compile(r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFTN])(?P<take>[a-z]?)")
EXPECTED = "speaker, text, emotion and take, as in wav/03a01Fa.wav"


def read_emodb(folder: Path) -> list[Recording]:
    """The recordings of EmoDB: ``wav/03a01Fa.wav``, or the same names in the folder itself."""
    inside = folder / "wav"
    recordings = []
    for path in audio_files(inside if inside.is_dir() else folder, EXPECTED):
        if not (name := NAME.fullmatch(path.stem)):
            raise odd_name(path, EXPECTED)
        emotion = EMOTIONS[name["emotion"]]
        speaker = f"emodb-{name['speaker']}"
        recordings.append(Recording(path, "emodb", speaker, emotion, "de", name["text"]))
    return recordings
