"""EmoV-DB, the emotional voices database (Adigwe et al. 2018), with which the paper pre-trains."""

import re
from pathlib import Path

from train.data.corpora.files import AUDIO, odd_name, visible
from train.data.manifest import CorpusError, Recording

SPEAKERS = {
    "bea": "bea",
    "jenie": "jenie",
    "josh": "josh",
    "sam": "sam",
    # the corpus's description shortens the names
    "spk-bea": "bea",
    "spk-je": "jenie",
    "spk-jsh": "josh",
    "spk-sa": "sam",
    # its alignment script numbers the folders
    "1": "bea",
    "2": "jenie",
    "3": "josh",
    "4": "sam",
}
EMOTIONS = {  # folders say Angry, Disgusted and Sleepy where files say anger, disgust, sleepiness
    "neutral": "neutral",
    "amused": "amusement",
    "anger": "anger",
    "angry": "anger",
    "disgust": "disgust",
    "disgusted": "disgust",
    "sleepiness": "sleepiness",
    "sleepy": "sleepiness",
}
SENTENCE = re.compile(r"_(\d{4})$")
EXPECTED = "a speaker's folder, emotion, range and sentence, as in bea/Amused/amused_1-15_0001.wav"


def read_emovdb(folder: Path) -> list[Recording]:
    """The recordings of EmoV-DB, sorted (``bea/Amused/``) or as its archives (``bea_Amused/``).

    The speaker is the nearest folder that names one, and the emotion the first word of the file
    name; not every speaker has every emotion. ``text`` is the sentence of the CMU Arctic set A,
    empty if the file name does not end in its number. Amusement is not mapped to happiness, as in
    the corpus itself.
    """
    recordings = []
    for path in folder.rglob("*"):
        if path.suffix.lower() not in AUDIO or not visible(path):
            continue
        speaker = _speaker(path, folder)
        emotion = EMOTIONS.get(path.stem.split("_")[0].lower())
        if speaker is None or emotion is None:
            raise odd_name(path, EXPECTED)
        sentence = SENTENCE.search(path.stem)
        text = f"arctic-a{sentence[1]}" if sentence else ""
        recordings.append(Recording(path, "emovdb", f"emovdb-{speaker}", emotion, "en", text))
    if not recordings:
        raise CorpusError(f"no recordings under {folder}: expected {EXPECTED}")
    return recordings


def _speaker(path: Path, folder: Path) -> str | None:
    """The speaker, from the folders between the corpus and the file, and the corpus's own name."""
    names = [folder.name, *path.relative_to(folder).parts[:-1]]
    for name in reversed(names):
        word = name.lower().split("_")[0]
        if word in SPEAKERS:
            return SPEAKERS[word]
    return None
