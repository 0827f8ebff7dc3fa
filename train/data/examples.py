"""Makes training examples from corpora."""

from collections.abc import Collection, Sequence
from pathlib import Path

from train.data.audio import AudioCache, read_audio
from train.data.augment import Sounds
from train.data.batches import Example
from train.data.denoise import without_floor
from train.data.manifest import CorpusError, Recording

HELD_OUT = 5
"""Every fifth noise and impulse response is reserved for tests."""


class Corpus:
    """Recordings of one corpus with their cached audio, optionally also without their floor."""

    def __init__(self, recordings: Sequence[Recording], cache: Path, clean: bool = False) -> None:
        self.recordings = list(recordings)
        self.audio = AudioCache(cache, self.recordings)
        self.clean = AudioCache(cache, self.recordings, "clean", without_floor) if clean else None

    @staticmethod
    def of(manifest: Sequence[Recording], name: str, cache: Path, clean: bool = False) -> "Corpus":
        """The corpus ``name`` of a manifest."""
        recordings = [r for r in manifest if r.corpus == name]
        if not recordings:
            known = ", ".join(sorted({r.corpus for r in manifest}))
            raise CorpusError(f"the manifest has no corpus {name!r}; it has {known}")
        return Corpus(recordings, cache, clean)

    def speakers(self) -> set[str]:
        """All speakers of the corpus."""
        return {r.speaker for r in self.recordings}

    def labelled(
        self,
        labels: Sequence[str],
        speakers: Collection[str] | None = None,
        perceived: float = 0.0,
        details: Sequence[str] = (),
    ) -> list[Example]:
        """Examples of the given emotions and speakers (all if None).

        ``perceived`` is the weight of what listeners heard, relative to what the actor intended.
        ``details`` is a longer list of emotions, used only in training; recordings of its other
        emotions are included without a target.
        """
        examples = []
        for i, recording in enumerate(self.recordings):
            if speakers is not None and recording.speaker not in speakers:
                continue
            detail = _one_hot(recording.emotion, details)
            target = _one_hot(recording.emotion, labels)
            if not target and not detail:
                continue
            if target and recording.perceived in labels:
                heard = _one_hot(recording.perceived, labels)
                target = tuple(
                    (1 - perceived) * meant + perceived * other
                    for meant, other in zip(target, heard, strict=True)
                )
            examples.append(Example(self.audio, i, target, detail=detail, clean=self.clean))
        return examples

    def unlabelled(self, speech: bool = True) -> list[Example]:
        """All recordings without emotion, as speech or as sounds without speech."""
        return [Example(self.audio, i, (), speech) for i in range(len(self.recordings))]


def _one_hot(emotion: str, labels: Sequence[str]) -> tuple[float, ...]:
    return tuple(float(label == emotion) for label in labels) if emotion in labels else ()


def noise_for_training(noise: Corpus) -> list[Example]:
    """The noises for training, as examples without speech."""
    return [e for e in noise.unlabelled(speech=False) if e.index % HELD_OUT]


def noise_for_testing(noise: Corpus) -> list[Example]:
    """The noises that are reserved for tests."""
    return [e for e in noise.unlabelled(speech=False) if e.index % HELD_OUT == 0]


def sounds_for_training(noise: Corpus, responses: Sequence[Recording] = ()) -> Sounds:
    """Sounds to mix in: noises, and the impulse responses that are not reserved for tests."""
    kept = [r for i, r in enumerate(responses) if i % HELD_OUT]
    return Sounds(
        [e.audio() for e in noise_for_training(noise)], [read_audio(r.path) for r in kept]
    )


def responses_for_testing(responses: Sequence[Recording]) -> list[Recording]:
    """The impulse responses that are reserved for tests."""
    return [r for i, r in enumerate(responses) if i % HELD_OUT == 0]
