"""Finds your own recordings on disk, with their speakers and emotions."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from edgeser.bundle.tensors import size_limits
from edgeser.cli.recordings import OTHERS, SUFFIXES
from train.data.audio import read_audio
from train.data.corpora.files import visible
from train.data.corpora.table import read_table
from train.data.manifest import CorpusError, Recording
from train.models.segment import SAMPLE_RATE

ENDINGS = SUFFIXES | {f".{name.lower()}" for name in soundfile.available_formats()}
LONGEST = 30.0
"""Longest recording in seconds; nobody keeps one emotion for longer."""
LABEL_BYTES = 64
"""Limit of a label in UTF-8, as in bundles."""
LAYOUT = (
    "folders named by emotion (calm/anna/1.wav, or calm/1.wav if it is not known who speaks), or a "
    "CSV with the columns path, corpus, speaker and emotion"
)


@dataclass(frozen=True)
class Own:
    """Recordings of at least two emotions, and their samples, mono float32 at 16 kHz."""

    recordings: tuple[Recording, ...]
    audio: tuple[NDArray[np.float32], ...]
    labels: tuple[str, ...]

    @property
    def speakers(self) -> tuple[str, ...]:
        """All known speakers."""
        return tuple(sorted({r.speaker for r in self.recordings if r.speaker}))

    def of(self, indices: Sequence[int]) -> "Own":
        """Some of the recordings, with the same labels."""
        return Own(
            tuple(self.recordings[i] for i in indices),
            tuple(self.audio[i] for i in indices),
            self.labels,
        )


def read_own(
    folder: Path, known: Sequence[str], wanted: Sequence[str] = (), one_voice: bool = False
) -> Own:
    """Reads a folder. ``known``: the parent's labels, which come first and in its order.

    ``wanted`` restricts the emotions. ``one_voice`` allows recordings of a single speaker. Raises
    CorpusError with advice if the recordings are not suitable.
    """
    recordings = listed(folder)
    labels = labels_of(recordings, folder, known, wanted)
    recordings = [r for r in recordings if r.emotion in labels]
    check_speakers(recordings, folder, one_voice)
    return Own(tuple(recordings), tuple(samples_of(r.path) for r in recordings), labels)


def listed(folder: Path) -> list[Recording]:
    """The recordings with an emotion in a folder: from its CSV, or from folders named by emotion.

    Emotions are in lower case, so that "Calm" and "calm" are one.
    """
    if not folder.is_dir():
        raise CorpusError(f"no folder {folder}: expected your recordings there, in {LAYOUT}")
    if any(visible(table) for table in folder.glob("*.csv")):
        found = [r for r in read_table(folder) if r.emotion.strip()]
    else:
        found = [
            Recording(path, folder.resolve().name, _speaker(path, place), place.name, "", "")
            for place in sorted(filter(Path.is_dir, folder.iterdir()))
            if visible(place)
            for path in sorted(place.rglob("*"))
            if visible(path) and path.suffix.lower() in ENDINGS
        ]
    if not found:
        raise CorpusError(f"no recordings in {folder}: expected them in {LAYOUT}")
    return [replace(r, emotion=_named(r.emotion), speaker=_named(r.speaker)) for r in found]


def left_out(folder: Path) -> list[Path]:
    """Files in emotion folders that look like audio by name, but in formats that cannot be read."""
    if any(visible(table) for table in folder.glob("*.csv")):
        return []  # rows of a table are read or reported
    return sorted(
        path
        for path in folder.rglob("*")
        if visible(path) and path.suffix.lower() in OTHERS - ENDINGS and path.parent != folder
    )


def labels_of(
    recordings: Sequence[Recording],
    folder: Path,
    known: Sequence[str],
    wanted: Sequence[str] = (),
) -> tuple[str, ...]:
    """The emotions to distinguish: the parent's in its order, then others by name."""
    counts = Counter(r.emotion for r in recordings)
    chosen = {_named(label) for label in wanted} or set(counts)
    if absent := sorted(chosen - set(counts)):
        raise CorpusError(
            f"{folder} has no recording of {', '.join(absent)}: it has {', '.join(sorted(counts))}"
        )
    if len(chosen) < 2:
        raise CorpusError(
            f"one emotion only, {min(chosen)}: a model tells emotions apart, so it needs "
            "recordings of another too, for example neutral"
        )
    _, most = size_limits()["labels"]
    if len(chosen) > most:
        raise CorpusError(f"{len(chosen)} emotions: a bundle tells at most {most} apart")
    for label in sorted(chosen):
        if not label.isprintable():
            raise CorpusError(f"the emotion {label!r} has a name that cannot be printed: rename it")
        size = len(label.encode())
        if size > LABEL_BYTES:
            raise CorpusError(
                f"the emotion {label!r} has a name of {size} bytes: a bundle's labels have at "
                f"most {LABEL_BYTES}; rename its folder, or what the CSV calls it"
            )
        if counts[label] < 2:
            raise CorpusError(
                f"one recording of {label} is too few: expected two or more, and better twenty, of "
                "each emotion"
            )
    return (*(k for k in known if k in chosen), *sorted(chosen - set(known)))


def check_speakers(recordings: Sequence[Recording], folder: Path, one_voice: bool) -> None:
    """Speakers must be known for all recordings or for none, and several, unless ``one_voice``."""
    speakers = {r.speaker for r in recordings}
    if "" in speakers and len(speakers) > 1:
        unknown = sum(not r.speaker for r in recordings)
        raise CorpusError(
            f"of {unknown} of {len(recordings)} recordings in {folder} it is not known who speaks: "
            "name the speaker of all, or of none"
        )
    if speakers != {""} and len(speakers) < 2 and not one_voice:
        raise CorpusError(
            f"one speaker only, {min(speakers)}: nothing could say how a stranger would fare. "
            "Record somebody else too, or say --one-voice if the model is for this person alone"
        )


def samples_of(path: Path) -> NDArray[np.float32]:
    """Mono samples at 16 kHz. Raises CorpusError if it is not a recording of one utterance."""
    try:
        samples = read_audio(path)
    except CorpusError as error:
        raise CorpusError(f"{error}; expected a sound file: convert it, or take it away") from error
    if (seconds := len(samples) / SAMPLE_RATE) > LONGEST:
        raise CorpusError(
            f"{path} lasts {seconds:.0f} s: expected one utterance in one emotion, of at most "
            f"{LONGEST:.0f} s; cut it up"
        )
    return samples


def _speaker(path: Path, place: Path) -> str:
    """The folder below the emotion's, if there is one."""
    inside = path.relative_to(place).parts
    return inside[0] if len(inside) > 1 else ""


def _named(word: str) -> str:
    """The name of an emotion or speaker in normal form.

    Some file systems separate letters and accents. And ``Anna`` and ``anna`` would count as two
    speakers, one for training and one for testing.
    """
    return unicodedata.normalize("NFC", word).strip().lower()
