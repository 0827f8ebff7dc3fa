"""The bundled model, from corpora and a teacher to a checkpoint, in four stages that are stored.

1. *teacher*: Whisper's middle layers over all speech, reduced to principal components.
2. *front*: front end, VQ-VAE, fusion and gate by distillation, first without labels, then with.
3. *tokens*: that front end's tokens of the labelled recordings, in several simulated rooms.
4. *sequence*: TACN and head on sessions of those tokens.

Speakers of fold 0 of five are in none of them: they test the shipped model. Some of fold 1 are in
none either: the gate's threshold was chosen on them. Temperature and confidence are from
``train/studies/strangers.py``.
"""

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from train.checkpoint import Checkpoint
from train.data.augment import AugmentConfig, Room, Sounds
from train.data.examples import sounds_for_training
from train.data.manifest import Recording
from train.data.music import SoundMaker
from train.data.soundfont import available, rendered
from train.data.splits import development_speakers, speaker_folds
from train.default import FACTS, LABELLED, Corpora
from train.distill import Distillation, FrontTraining, Spoken, distil
from train.export import PAUSE
from train.files import atomic_write
from train.models.emotion import EmotionModel, ModelConfig
from train.models.segment import HOP, LEAD, SAMPLE_RATE
from train.models.sizes import loaded
from train.models.speaker import SpeakerConfig
from train.provenance import provenance
from train.session_training import train_sessions
from train.sessions import SessionRecipe, Utterance
from train.teacher.targets import Features, Projection, compute
from train.teacher.whisper import WhisperEncoder

TARGET = 128
"""Principal components of the teacher that a token learns to predict."""
SIZE = "14"
"""The default, of ``train/models/sizes.py``."""
OFTEN = {"emodb": 3}
"""Repetitions of a corpus per epoch: EmoDB has a tenth of CREMA-D's size."""
PASSES = 3
"""Simulated rooms of each recording for the sequence model; the first is the unchanged
recording."""
IN_ROOMS = AugmentConfig(snr_db=(8.0, 40.0), noise=0.7, masked_bins=0)
MUSIC = 60
"""Pieces of 24 s that the gate learns to refuse, if FluidSynth is installed."""
OPENED_BY_NOISE = 0.02
"""Share of tokens without speech that the gate's threshold lets through."""
SEED = 1
"""Of the sequence model: of five, the best on the development speakers
(``docs/model/distillation.md``)."""
GATE = 0.98
"""The shipped gate's threshold. Of 0.9, 0.95, 0.98 and 0.99 it is the lowest that costs the
development speakers little UA in quiet (``docs/model/gate.md``)."""
TEMPERATURE, CONFIDENCE = 1.799, 0.6
"""What the shipped model's logits are divided by, and the confidence from which a verdict carries a
label: chosen on corpora left out (``docs/model/strangers.md``)."""
SHORTEST_UTTERANCE = 0.5

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Schedule:
    """Durations of the stages. With minutes, the clock decides."""

    minutes: tuple[float, float] = (32.0, 12.0)
    """Minutes of the distillation, and of its last phase with emotions."""
    sessions: SessionRecipe = field(default_factory=lambda: SessionRecipe(seed=SEED))
    speaker: SpeakerConfig = field(default_factory=lambda: SpeakerConfig(adapt=True))


@dataclass(frozen=True)
class Product:
    """One training. ``work`` stores what is finished."""

    data: Path
    work: Path
    teacher: Path
    schedule: Schedule = field(default_factory=Schedule)
    config: ModelConfig = field(default_factory=ModelConfig)
    trained: Path | None = None
    """A front end of this size, written by ``train.front``, instead of stages 1 and 2."""

    @cached_property
    def corpora(self) -> Corpora:
        """All recordings; audio is cached in ``work``."""
        return Corpora.read(self.data, self.work / "features")

    @cached_property
    def test(self) -> set[str]:
        """Speakers that test the model: fold 0."""
        return speaker_folds(self.corpora.recordings(), 5)[0]

    @cached_property
    def development(self) -> set[str]:
        """Speakers on whom temperature and thresholds are chosen: part of fold 1."""
        return development_speakers(self.corpora.recordings())

    def features(self, name: str) -> Features:
        """The teacher's features of one corpus, reduced: (N, 128)."""
        path = self.work / "teacher" / f"{name}-reduced.npy"
        if path.is_file():
            return Features.load(path)
        full = self._full(name)
        rows = np.empty((len(full.rows), TARGET), np.float16)
        for first in range(0, len(rows), 20_000):
            rows[first : first + 20_000] = self.projection(full.rows[first : first + 20_000])
        for at, array in ((path.with_suffix(".ends.npy"), full.ends), (path, rows)):
            with atomic_write(at) as partial, partial.open("wb") as file:
                np.save(file, array)
        return Features.load(path)

    def _full(self, name: str) -> Features:
        path = self.work / "teacher" / f"{name}.npy"
        if path.is_file():
            return Features.load(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        corpus = {**self.corpora.labelled, **self.corpora.unlabelled}[name]
        audio = [corpus.audio[i] for i in range(len(corpus.audio))]
        return compute(WhisperEncoder.load(self.teacher), audio, path)

    @cached_property
    def projection(self) -> Projection:
        """Fitted on speech of the training speakers only."""
        path = self.work / "teacher" / "projection.npz"
        if path.is_file():
            kept = np.load(path)
            return Projection(kept["mean"], kept["matrix"])
        rng, some = np.random.default_rng(0), []
        kept_out = self.test | self.development
        for name, corpus in {**self.corpora.labelled, **self.corpora.unlabelled}.items():
            full = self._full(name)
            for i in rng.permutation(len(corpus.recordings))[:500]:
                if corpus.recordings[i].speaker in kept_out:
                    continue
                some.append(full.of(int(i))[::4])
        made = Projection.fit(some, TARGET)
        with atomic_write(path) as partial, partial.open("wb") as file:
            np.savez(file, mean=made.mean, matrix=made.matrix)
        return made

    def sounds(self, music: bool = True) -> Sounds:
        """Sounds to mix in, and for the gate to refuse."""
        sounds = sounds_for_training(self.corpora.noise, self.corpora.impulse_responses)
        if not (music and available()):
            return sounds
        path = self.work / "music.npy"
        if not path.is_file():
            made = [rendered(seed, 24.0) for seed in range(MUSIC)]
            scaled = [p * (0.6 / max(float(np.abs(p).max()), 1e-6)) for p in made]
            with atomic_write(path) as partial, partial.open("wb") as file:
                np.save(file, (np.concatenate(scaled) * 32767).astype(np.int16))
        flat, length = np.load(path), 10 * SAMPLE_RATE
        starts = range(0, len(flat) - length, length)
        pieces = [flat[i : i + length].astype(np.float32) / np.float32(32768) for i in starts]
        return Sounds([*sounds.noises, *pieces], sounds.impulse_responses)

    def spoken(self) -> list[Spoken]:
        """All speech for distillation, by speakers for neither testing nor development."""
        labels, found = self.config.labels, []
        kept_out = self.test | self.development
        for name, corpus in {**self.corpora.labelled, **self.corpora.unlabelled}.items():
            features = self.features(name)
            for i, recording in enumerate(corpus.recordings):
                if recording.speaker in kept_out:
                    continue
                known = recording.emotion in labels
                one = Spoken(
                    corpus.audio.raw(i),
                    features.of(i),
                    labels.index(recording.emotion) if known else -1,
                    LABELLED.index(name) if name in LABELLED else 0,
                    corpus.clean.raw(i) if corpus.clean else None,
                )
                found += [one] * OFTEN.get(name, 1)
        return found

    def front(self) -> EmotionModel:
        """A model with a trained front end, fusion and gate."""
        path = self.work / "front.pt"
        torch.manual_seed(self.schedule.sessions.seed)  # of the sequence model's first weights
        model = EmotionModel(self.config)
        if path.is_file():
            model.load_state_dict(torch.load(path, weights_only=True))
            return model.eval()
        if self.trained is not None:
            return loaded(SIZE, self.trained)
        torch.manual_seed(0)
        model = EmotionModel(self.config)
        training = FrontTraining(model, TARGET, len(self.config.labels), len(LABELLED))
        training.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        spoken, sounds = self.spoken(), self.sounds()
        first, second = self.schedule.minutes
        settings = Distillation()
        distil(training, spoken, sounds, settings, self.work / "a1.pt", minutes=first)
        settings = Distillation(emotion_weight=0.3, learning_rate=1e-3, seed=1)
        labelled = [s for s in spoken if s.emotion >= 0]
        mixed = labelled * 2 + [s for s in spoken if s.emotion < 0]
        distil(training, mixed, sounds, settings, self.work / "a2.pt", minutes=second)
        with atomic_write(path) as partial:
            torch.save(model.state_dict(), partial)
        return model.eval()

    def threshold(self, model: EmotionModel) -> float:
        """The gate's threshold while the sequence model learns: few tokens without speech pass.

        The sounds are new ones of the same kinds, in new rooms; those reserved for tests are not
        used.
        """
        sounds, maker = self.sounds(), SoundMaker(90_000)
        rng, hops, scores = np.random.default_rng(90_000), 120, []
        for number in range(12):
            rows = []
            for row in range(8):
                length = hops * HOP
                if row % 2:
                    noise = maker(length)
                else:
                    noise = sounds.noises[int(rng.integers(len(sounds.noises)))]
                    noise = np.resize(np.roll(noise, int(rng.integers(len(noise)))), length)
                room = Room(IN_ROOMS, sounds, 90_000 + number * 8 + row)
                rows.append(room(noise * np.float32(0.2), 0, hops))
            _, logits = model.hear(torch.from_numpy(np.stack(rows)), 0.5, PAUSE)
            scores.append(logits.flatten())
        score = torch.cat(scores).sigmoid().double()
        return round(float(score.quantile(1 - OPENED_BY_NOISE).clamp(0.5, 0.95)), 2)

    def before_emotions(self) -> EmotionModel:
        """The same model before the last phase, without any emotion labels."""
        if self.trained is not None:
            return loaded(SIZE, self.trained.with_name("a1.safetensors"), f"{SIZE}.")
        model = EmotionModel(self.config)
        training = FrontTraining(model, TARGET, len(self.config.labels), len(LABELLED))
        training.load_state_dict(torch.load(self.work / "a1.pt", weights_only=True)["training"])
        return model.eval()

    def tokens(
        self,
        model: EmotionModel,
        name: str,
        threshold: float,
        passes: int = PASSES,
        kept: str = "tokens",
    ) -> list[Utterance]:
        """One corpus's recordings as tokens, in several simulated rooms.

        They are stored in ``work`` under the name ``kept``, for each front end.
        """
        corpus = {**self.corpora.labelled, "ravdess": self.corpora.unheard}[name]
        path = self.work / f"{kept}-{name}.pt"
        if path.is_file():
            there: list[Utterance] = torch.load(path, weights_only=False)
            return there
        sounds, labels = self.sounds(music=False), self.config.labels
        wanted = [i for i, r in enumerate(corpus.recordings) if r.emotion in labels]
        heard: list[list[NDArray[np.float32]]] = [[] for _ in wanted]
        for number in range(passes):
            waves = [self._in_room(corpus, i, number, sounds) for i in wanted]
            for row, tokens in enumerate(speech_tokens(model, waves, threshold)):
                heard[row].append(tokens)
        found = []
        for i, passed in zip(wanted, heard, strict=True):
            recording = corpus.recordings[i]
            found.append(
                Utterance(
                    tuple(passed), _target(recording, labels), recording.speaker, recording.corpus
                )
            )
        with atomic_write(path) as partial:
            torch.save(found, partial)
        return found

    def _in_room(self, corpus: Any, index: int, number: int, sounds: Sounds) -> Samples:
        """A recording with lead-in, unchanged (pass 0) or in the room of its speaker and pass.

        From the second room on, speed and pitch change as well.
        """
        recording, samples = corpus.recordings[index], corpus.audio[index]
        if number == 0:
            hops = -(-len(samples) // HOP)
            return np.pad(samples, (LEAD, hops * HOP - len(samples)))
        seed = zlib.crc32(f"{recording.speaker}/{number}".encode())
        rng = np.random.default_rng([seed, index])
        room = Room(IN_ROOMS, sounds, seed)
        if corpus.clean is not None:
            samples = room.cleaned(samples, corpus.clean[index])
        if number > 1:
            speed = 1 + np.random.default_rng(seed + 1).uniform(-0.12, 0.12)
            samples = soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE * speed, quality="MQ")
        before = int(rng.integers(HOP)) + int(rng.uniform(0, 0.8) * SAMPLE_RATE) * (
            rng.random() < 0.5
        )
        hops = -(-(before + len(samples)) // HOP)
        return room(samples, before, hops)

    def build(self) -> Checkpoint:
        """Runs all stages."""
        begun = time.monotonic()
        model = self.front()
        threshold = self.threshold(model)
        heard = [u for name in LABELLED for u in self.tokens(model, name, threshold)]
        kept_out = self.test | self.development
        train = [u for u in heard if u.speaker not in kept_out]
        recipe, speaker = self.schedule.sessions, self.schedule.speaker
        train_sessions(model, train, recipe, speaker, 250)
        training: dict[str, Any] = {
            "corpora": {n: len(c.speakers() - kept_out) for n, c in self.corpora.labelled.items()},
            "pretraining": {n: len(c.recordings) for n, c in self.corpora.unlabelled.items()},
            "judged_by": sorted(self.test),
            "chosen_on": sorted(self.development),
            "provenance": provenance(self.schedule.sessions.seed),
            "front": "train.front" if self.trained else "train.distill",
            "minutes": round((time.monotonic() - begun) / 60, 1),
        }
        thresholds = {
            "speech": GATE,
            "confidence": CONFIDENCE,
            "utterance": SHORTEST_UTTERANCE,
        }
        return Checkpoint(model, TEMPERATURE, thresholds, {**FACTS, "training": training})


@torch.no_grad()
def speech_tokens(
    model: EmotionModel, waves: Sequence[Samples], threshold: float
) -> list[NDArray[np.float32]]:
    """Raw tokens (T, C) of speech in each led-in stream, as a device would compute them."""
    found: list[NDArray[np.float32]] = [np.zeros((0, 1), np.float32)] * len(waves)
    least = float(np.log(threshold / (1 - threshold)))
    order = sorted(range(len(waves)), key=lambda i: len(waves[i]))
    for first in range(0, len(order), 64):
        some = order[first : first + 64]
        longest = max(len(waves[i]) for i in some)
        batch = torch.zeros(len(some), longest)
        for row, i in zip(batch, some, strict=True):
            row[: len(waves[i])] = torch.from_numpy(waves[i])
        with torch.autocast("cpu", torch.bfloat16):
            tokens, scores = model.hear(batch, threshold, PAUSE)
        for row, i in enumerate(some):
            hops = (len(waves[i]) - LEAD) // HOP
            opened = scores[row, :hops] >= least
            found[i] = tokens[row, :hops][opened].float().numpy()
    return found


def _target(
    recording: Recording, labels: Sequence[str], perceived: float = 0.3
) -> tuple[float, ...]:
    """One-hot, softened by what listeners heard where they agreed on one of the labels."""
    target = np.array([float(label == recording.emotion) for label in labels])
    if recording.perceived in labels:
        heard = np.array([float(label == recording.perceived) for label in labels])
        target = (1 - perceived) * target + perceived * heard
    return tuple(target.tolist())
