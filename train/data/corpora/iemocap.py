"""IEMOCAP, interactive emotional dyadic motion capture (Busso et al. 2008): the paper's corpus.

``Session1`` to ``Session5`` each contain dialogues of two speakers. A dialogue's labels are in
``dialog/EmoEvaluation/Ses01F_impro01.txt``, one line per turn::

    [6.2901 - 8.2357]   Ses01F_impro01_F000   neu   [2.5000, 2.5000, 2.5000]

and its turns are in ``sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav``.
"""

import re
from pathlib import Path

from train.data.corpora.files import visible
from train.data.manifest import CorpusError, Recording

SESSIONS = range(1, 6)
EMOTIONS = {
    "neu": "neutral",
    "ang": "anger",
    "sad": "sadness",
    "hap": "happiness",
    "exc": "happiness",  # joined, as in the paper and most work on IEMOCAP
}
LEFT_OUT = frozenset({"xxx", "fru", "sur", "fea", "dis", "oth"})
"""Labels other than the four; xxx: the annotators did not agree."""
COUNTS = {"neutral": 1708, "anger": 1103, "sadness": 1084, "happiness": 1636}
"""Numbers in the complete corpus: the paper's 5,531 utterances."""

TURN = re.compile(r"\[\s*[\d.]+\s*-\s*[\d.]+\s*\]\s+(?P<name>\S+)\s+(?P<label>\S+)")
# The letter after the session says who wore the markers; the one before the number says who speaks.
NAME = re.compile(
    r"(?P<dialogue>Ses0(?P<session>[1-5])[FM]_(?P<text>(?:impro\d\d|script\d\d_\d))[ab]?)"
    r"_(?P<speaker>[FM])\w+"
)


def read_iemocap(folder: Path) -> list[Recording]:
    """The paper's utterances of IEMOCAP: neutral, anger, sadness, and happiness with excitement.

    Speakers are ``iemocap-01F`` to ``iemocap-05M``; ``text`` is the improvised scene or the part
    of a script, for all sessions play the same ones. All five sessions must be there.
    """
    recordings = []
    for session in SESSIONS:
        place = folder / f"Session{session}"
        labels = sorted(filter(visible, (place / "dialog" / "EmoEvaluation").glob("*.txt")))
        if not labels:
            raise CorpusError(
                f"no labels in {place}: expected Session1 to Session5, each with "
                "dialog/EmoEvaluation/*.txt and sentences/wav/<dialogue>/<utterance>.wav"
            )
        for path in labels:
            recordings += _dialogue(path, place / "sentences" / "wav" / path.stem, session)
    return recordings


def _dialogue(labels: Path, wavs: Path, session: int) -> list[Recording]:
    recordings, turns = [], 0
    # They also contain annotators' remarks, in various encodings.
    for line in labels.read_text(encoding="utf-8", errors="replace").splitlines():
        if not (turn := TURN.match(line)):
            continue
        turns += 1
        name, label = NAME.fullmatch(turn["name"]), turn["label"].lower()
        if not name or name["dialogue"] != labels.stem or int(name["session"]) != session:
            raise CorpusError(
                f"odd turn {turn['name']!r} in {labels}: expected {labels.stem}_F000 or the like"
            )
        if label in LEFT_OUT:
            continue
        if label not in EMOTIONS:
            known = ", ".join([*EMOTIONS, *sorted(LEFT_OUT)])
            raise CorpusError(f"odd label {label!r} in {labels}: expected one of {known}")
        path = wavs / f"{turn['name']}.wav"
        if not path.is_file():
            raise CorpusError(f"no recording at {path}: expected it, as {labels.name} labels it")
        speaker = f"iemocap-{session:02}{name['speaker']}"
        recordings.append(Recording(path, "iemocap", speaker, EMOTIONS[label], "en", name["text"]))
    if not turns:
        raise CorpusError(
            f"no turns in {labels}: expected lines such as "
            f"'[6.2901 - 8.2357] {labels.stem}_F000 neu [2.5, 2.5, 2.5]'"
        )
    return recordings
