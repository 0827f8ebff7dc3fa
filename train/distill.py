"""Pre-training of front end, VQ-VAE, fusion and gate with a teacher, without emotion labels.

Every token of speech learns to predict, linearly, a teacher's features of the clean recording
(Whisper's middle layers, ``train/teacher``), while the front end gets the recording with another
room, microphone and voice. At the same time the VQ-VAE learns to reconstruct spectrograms (paper,
section 2.1), and the gate learns to detect speech, from recordings and from sounds without speech.
A last phase adds the emotions of labelled recordings.
"""

import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from train.data.augment import Augment, AugmentConfig, Sounds
from train.data.music import SoundMaker
from train.data.speech import speech_hops
from train.files import atomic_write
from train.models.emotion import EmotionModel
from train.models.segment import HOP, LEAD, SAMPLE_RATE, Segments, Views
from train.models.vqvae import Decoder
from train.teacher.targets import of_tokens

Samples = NDArray[np.float32]
LONGEST = int(4.0 * SAMPLE_RATE)
"""Longer recordings are cut at random."""
NOISE_LENGTH = int(3.0 * SAMPLE_RATE)


@dataclass(frozen=True)
class Spoken:
    """A recording of speech with its metadata."""

    audio: Samples | NDArray[np.int16]
    """(samples,) at 16 kHz; int16 is scaled by 1/32768."""
    target: NDArray[np.float16]
    """(N, D): the teacher's vectors, one every 20 ms."""
    emotion: int = -1
    """Index of its label, or -1."""
    corpus: int = 0
    clean: Samples | NDArray[np.int16] | None = None
    """The same without its noise floor, to be mixed in."""


@dataclass(frozen=True)
class Distillation:
    """Settings of the pre-training."""

    epochs: int = 6
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    noise: float = 0.25
    """Sounds without speech, as a share of an epoch's recordings."""
    lead: float = 1.2
    """Up to so many seconds of room noise before and after half of the recordings."""
    speed: float = 0.14
    vq_weight: float = 0.3
    gate_weight: float = 0.2
    emotion_weight: float = 0.0
    pause: int = 8
    seed: int = 0
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(snr_db=(0.0, 35.0), noise=0.8, masked_bins=10)
    )


@dataclass
class Batch:
    """Views of segments (B, T), masks of speech, targets and padding (B, T), and targets."""

    segments: Segments
    speech: Tensor
    known: Tensor
    inside: Tensor
    target: Tensor
    emotion: Tensor
    corpus: Tensor


class Material(IterableDataset[Batch]):
    """An endless supply of augmented batches; recordings of similar length share one."""

    def __init__(
        self,
        spoken: Sequence[Spoken],
        sounds: Sounds,
        settings: Distillation,
        width: int,
        batches: int,
        level: object = None,
        epoch: int = 0,
    ) -> None:
        self.spoken, self.settings, self.width, self.count = spoken, settings, width, batches
        seed = settings.seed * 1000 + epoch
        self.rng, self.random = np.random.default_rng(seed), random.Random(seed)
        self.augment = Augment(settings.augment, sounds, seed)
        self.sounds, self.maker = sounds, SoundMaker(seed)
        self.views = Views(level)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Batch]:
        torch.set_num_threads(1)
        size, made = self.settings.batch, 0
        while made < self.count:
            order = list(range(len(self.spoken)))
            self.random.shuffle(order)
            pools = [order[i : i + 16 * size] for i in range(0, len(order), 16 * size)]
            groups = []
            for pool in pools:
                pool.sort(key=lambda i: len(self.spoken[i].audio))
                groups += [pool[i : i + size] for i in range(0, len(pool), size)]
            self.random.shuffle(groups)
            for group in groups[: self.count - made]:
                yield self.assemble([self.spoken[i] for i in group])
                made += 1

    def assemble(self, group: Sequence[Spoken]) -> Batch:
        """One batch from these recordings, and sounds without speech."""
        parts = [self._heard(one) for one in group]
        parts += [self._noise() for _ in range(round(self.settings.noise * len(group)))]
        longest = max(len(p[1]) for p in parts)
        size = len(parts)
        audio = torch.zeros(size, LEAD + longest * HOP)
        speech = torch.zeros(size, longest, dtype=torch.bool)
        known, inside = speech.clone(), speech.clone()
        target = torch.zeros(size, longest, self.width)
        for i, (wave, spoken, goal, there) in enumerate(parts):
            hops = len(spoken)
            audio[i, : len(wave)] = torch.from_numpy(wave)
            speech[i, :hops] = torch.from_numpy(spoken)
            known[i, :hops] = torch.from_numpy(there & spoken)
            inside[i, :hops] = True
            target[i, :hops] = torch.from_numpy(goal)
        with torch.no_grad():
            segments = self.augment.mask(self.views.of_streams(audio, speech, self.settings.pause))
        emotion = torch.tensor([*(one.emotion for one in group), *[-1] * (size - len(group))])
        corpus = torch.tensor([*(one.corpus for one in group), *[0] * (size - len(group))])
        halves = Segments(*(view.half() for view in segments))
        return Batch(halves, speech, known, inside, target, emotion, corpus)

    def _heard(self, one: Spoken) -> tuple[Samples, NDArray[np.bool_], Samples, NDArray[np.bool_]]:
        s, rng = self.settings, self.rng
        start = int(rng.integers(max(len(one.audio) - LONGEST, 0) + 1))
        samples = one.audio[start : start + LONGEST]
        samples = _floats(samples)
        if one.clean is not None:
            samples = self.augment.cleaned(samples, _floats(one.clean[start : start + LONGEST]))
        speed = 1.0
        if rng.random() < 0.6:
            import soxr

            speed = 1 + rng.uniform(-s.speed, s.speed)
            samples = soxr.resample(samples, SAMPLE_RATE, SAMPLE_RATE * speed, quality="QQ")
        room = rng.uniform(0, s.lead, 2) * SAMPLE_RATE if rng.random() < 0.5 else (0.0, 0.0)
        before = int(room[0]) + int(rng.integers(HOP))
        hops = -(-(before + len(samples) + int(room[1])) // HOP)
        spoken = speech_hops(samples, before, hops)
        goal, there = of_tokens(one.target.astype(np.float32), before, hops, speed, start)
        return self.augment(samples, before, hops), spoken, goal, there

    def _noise(self) -> tuple[Samples, NDArray[np.bool_], Samples, NDArray[np.bool_]]:
        rng, hops = self.rng, NOISE_LENGTH // HOP
        samples = self._sound(hops * HOP)
        if rng.random() < 0.4:
            other = self._sound(hops * HOP)
            samples = samples + other * np.float32(10 ** rng.uniform(-1.5, 0))
        if rng.random() < 0.25:  # begins in digital silence
            samples[: int(rng.integers(len(samples)))] = 0
        nothing = np.zeros(hops, np.bool_)
        goal = np.zeros((hops, self.width), np.float32)
        return self.augment(samples, 0, hops), nothing, goal, nothing

    def _sound(self, length: int) -> Samples:
        rng = self.rng
        if rng.random() < 0.35:
            return self.maker(length)
        noise = self.sounds.noises[int(rng.integers(len(self.sounds.noises)))]
        start = int(rng.integers(max(len(noise) - length, 0) + 1))
        cut = np.resize(noise[start : start + length], length)
        if rng.random() < 0.5:
            cut = cut[::-1]
        scaled: Samples = cut * np.float32(0.3 / (np.abs(cut).max() + 1e-6))
        return scaled


def _floats(samples: NDArray[np.float32] | NDArray[np.int16]) -> Samples:
    return samples.astype(np.float32) / np.float32(1 if samples.dtype == np.float32 else 32768)


class FrontTraining(nn.Module):
    """Everything that is trained together; only the model is kept afterwards."""

    def __init__(self, model: EmotionModel, target: int, labels: int, corpora: int) -> None:
        super().__init__()
        self.model = model
        self.decoder = Decoder(model.config.vqvae)
        width = model.config.tacn.width
        self.teacher = nn.Linear(width, target)
        self.norms = nn.ModuleList(nn.BatchNorm1d(2 * width, momentum=0.05) for _ in range(corpora))
        self.emotion = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(2 * width, 64), nn.ReLU(), nn.Linear(64, labels)
        )

    def forward(self, batch: Batch, settings: Distillation) -> dict[str, Tensor]:
        """The parts of the loss."""
        model = self.model
        shape = batch.speech.shape
        flat = Segments(*(view.float() for view in batch.segments)).flat()
        inside = batch.inside.flatten()
        flat = Segments(*(view[inside] for view in flat))
        speech, known = batch.speech.flatten()[inside], batch.known.flatten()[inside]
        deep, latent = model.frontend.read(flat)
        token = model.fusion(deep, latent.detach()).float()
        parts = {}
        predicted = self.teacher(token[known])
        goal = batch.target.flatten(0, 1)[inside][known]
        parts["teacher"] = nn.functional.mse_loss(predicted, goal)
        encoded = latent[speech].float()
        codebook = model.fusion.codebook
        quantised, index, commitment = codebook(encoded)
        rebuilt = self.decoder(quantised)
        parts["rebuilt"] = nn.functional.mse_loss(rebuilt.float(), flat.spectrogram[speech])
        parts["commitment"] = commitment
        if self.training:
            codebook.update(encoded.detach(), index)
        tokens = torch.zeros(*shape, token.shape[-1])
        tokens[batch.inside] = token
        opened = model.gate(tokens)[batch.inside]
        parts["gate"] = nn.functional.binary_cross_entropy_with_logits(opened, speech.float())
        parts["missed"] = (opened[speech] < 0).float().mean()
        parts["false"] = (opened[~speech] > 0).float().mean()
        if settings.emotion_weight:
            parts["emotion"], parts["right"] = self._emotions(tokens, batch)
        return parts

    def _emotions(self, tokens: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        weight = (batch.speech & batch.inside).float()[..., None]
        count = weight.sum(1).clamp(min=1)
        mean = (tokens * weight).sum(1) / count
        deviation = (((tokens - mean[:, None]) ** 2 * weight).sum(1) / count + 1e-4).sqrt()
        pooled = torch.cat([mean, deviation], 1)
        losses, right = [], []
        for corpus, norm in enumerate(self.norms):
            rows = (batch.emotion >= 0) & (batch.corpus == corpus)
            if rows.sum() > 1:
                logits = self.emotion(norm(pooled[rows]))
                losses.append(
                    nn.functional.cross_entropy(
                        logits, batch.emotion[rows], label_smoothing=0.05, reduction="none"
                    )
                )
                right.append((logits.argmax(1) == batch.emotion[rows]).float())
        if not losses:
            return tokens.sum() * 0, torch.tensor(float("nan"))
        return torch.cat(losses).mean(), torch.cat(right).mean()


def distil(
    training: FrontTraining,
    spoken: Sequence[Spoken],
    sounds: Sounds,
    settings: Distillation,
    path: Path,
    *,
    batches: int | None = None,
    minutes: float | None = None,
    report: int = 100,
) -> None:
    """Trains. A stopped run continues from the state that is saved at ``path`` regularly.

    ``minutes`` limits the time: the learning rate then follows the clock, not the steps.
    """
    torch.manual_seed(settings.seed)
    width = training.teacher.out_features
    total = batches or settings.epochs * (len(spoken) // settings.batch)
    optimizer = torch.optim.AdamW(
        training.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    step, used = 0, 0.0
    if path.is_file():
        kept = torch.load(path, weights_only=True)
        training.load_state_dict(kept["training"])
        optimizer.load_state_dict(kept["optimizer"])
        step, used = kept["step"], kept["used"]
    level = training.model.config.level
    material = Material(spoken, sounds, settings, width, total - step, level, step)
    loader = DataLoader(material, batch_size=None, num_workers=1, prefetch_factor=6)
    training.train()
    begun, seen = time.monotonic() - used, []
    for batch in loader:
        now = time.monotonic() - begun
        done = max(step / total, now / (60 * minutes) if minutes else 0.0)
        if done >= 1:
            break
        rate = min(1.0, step / 200) * 0.5 * (1 + math.cos(math.pi * done)) + 0.005
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate
        with torch.autocast("cpu", torch.bfloat16):
            parts = training(batch, settings)
        loss = parts["teacher"] + settings.gate_weight * parts["gate"]
        loss = loss + settings.vq_weight * (parts["rebuilt"] + 0.25 * parts["commitment"])
        if settings.emotion_weight:
            loss = loss + settings.emotion_weight * parts["emotion"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(training.parameters(), 5.0)
        optimizer.step()
        step += 1
        seen.append({name: float(part.detach()) for name, part in parts.items()})
        if step % report == 0:
            means = {n: float(np.nanmean([s[n] for s in seen])) for n in seen[-1]}
            text = " ".join(f"{n} {v:.3f}" for n, v in means.items())
            print(f"{step}/{total} {now / 60:.1f} min {text}", flush=True)
            seen.clear()
        if step % 500 == 0:
            _keep(path, training, optimizer, step, time.monotonic() - begun)
    _keep(path, training, optimizer, total, time.monotonic() - begun)
    training.eval()


def _keep(
    path: Path,
    training: FrontTraining,
    optimizer: torch.optim.Optimizer,
    step: int,
    used: float,
) -> None:
    with atomic_write(path) as partial:
        torch.save(
            {
                "training": training.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step,
                "used": used,
            },
            partial,
        )
