"""LibriSpeech, read audio books (Panayotov et al. 2015): speech without emotion labels."""

from pathlib import Path

from train.data.corpora.files import audio_files, visible
from train.data.manifest import CorpusError, Recording

EXPECTED = (
    "a line and a recording for each utterance, as in train-clean-100/19/198/19-198-0000.flac"
)


def read_librispeech(folder: Path) -> list[Recording]:
    """The utterances of all splits under ``folder`` (``split/speaker/chapter/*.flac``).

    The folder may be the corpus, one of its splits, or anything between the two. Every chapter has
    one ``*.trans.txt``; recordings and transcripts must match one to one.
    """
    transcripts = sorted(path for path in folder.rglob("*.trans.txt") if visible(path))
    if not transcripts:
        raise CorpusError(
            f"no *.trans.txt under {folder}: expected split/speaker/chapter/*.flac and *.trans.txt"
        )
    return [recording for path in transcripts for recording in _chapter(path)]


def _chapter(transcript: Path) -> list[Recording]:
    chapter = transcript.parent
    speaker, prefix = chapter.parent.name, f"{chapter.parent.name}-{chapter.name}-"
    if transcript.name != f"{prefix[:-1]}.trans.txt":
        raise CorpusError(f"odd file name {transcript}: expected {prefix[:-1]}.trans.txt there")
    lines = transcript.read_text(encoding="utf-8").splitlines()
    said = {line.split(" ", 1)[0] for line in lines if line.strip()}
    files = {path.stem: path for path in audio_files(chapter, EXPECTED)}
    for name in sorted(said ^ set(files)):
        lacks = "a recording" if name in said else "a line in its transcript"
        raise CorpusError(f"{chapter / name} lacks {lacks}: expected {EXPECTED}")
    for name, path in files.items():
        if not name.startswith(prefix):
            raise CorpusError(f"odd file name {path}: expected it to start with {prefix}")
    return [
        Recording(
            path,
            "librispeech",
            f"librispeech-{speaker}",
            "",
            "en",
            f"{chapter.name}-{name.removeprefix(prefix)}",
        )
        for name, path in files.items()
    ]
