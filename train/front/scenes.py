"""Batches on a device: cuts of recordings with changed speed, in rooms, mixed with other sounds.

All shapes are fixed: a batch has a number of rows of equal length, and a number of tokens that are
used. The host only draws recordings and cuts; nothing waits for the device.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.data.augment import AugmentConfig, Samples
from train.data.speech import BELOW_DB, SHARE, SOFTEST_DB
from train.front.bank import Bank, Flat
from train.front.rooms import Rooms
from train.models.segment import HOP, LEAD, SAMPLE_RATE, SEGMENT, Segments, Views
from train.models.spectrogram import FRAME_HOP
from train.teacher.whisper import STEP

MADE = 0.35
"""Share of synthetic sounds among the sounds without speech."""
FRAMES = HOP // FRAME_HOP


@dataclass(frozen=True)
class SceneConfig:
    """Composition of batches."""

    batch: int = 96
    """Recordings per batch."""
    noise: float = 0.25
    """Sounds without speech, as a share of the recordings."""
    ahead: int = 2
    """Batches that are prepared together."""
    longest: float = 4.0
    """Seconds; longer recordings are cut at random."""
    lead: float = 1.2
    """Up to so many seconds of room noise before and after half of the recordings."""
    speed: float = 0.16
    """Largest relative change of speed, and of pitch with it."""
    changed: float = 0.7
    """Share of the recordings whose speed changes."""
    voices: tuple[float, float] = (1.0, 1.0)
    """Range of relative durations of recordings that become another voice; 0.6 raises the pitch by
    two thirds, to that of a child."""
    voiced: float = 0.0
    """Share of the recordings that become another voice."""
    pause: int = 8
    augment: AugmentConfig = field(
        default_factory=lambda: AugmentConfig(snr_db=(0.0, 35.0), noise=0.8, masked_bins=10)
    )

    @property
    def hops(self) -> int:
        """Most tokens of a row."""
        slowest = max(1 + self.speed, *self.voices)
        seconds = self.longest * slowest + 2 * self.lead
        return -(-(int(seconds * SAMPLE_RATE) + HOP) // HOP)

    @property
    def sounds(self) -> int:
        """Rows without speech."""
        return round(self.noise * self.batch)


@dataclass(frozen=True)
class Batch:
    """N tokens from B rows of T hops, and their targets."""

    segments: Segments
    slot: Tensor
    """(N,): position of a token in (B T); B T for padding."""
    real: Tensor
    """(N,) float: 0 for padding."""
    speech: Tensor
    """(N,) float."""
    known: Tensor
    """(N,) float: whether it is speech with a target."""
    target: Tensor
    """(N, D)."""
    rows: Tensor
    """(B, T) float: speech, for existing tokens."""
    mean: Tensor
    """(R, D): the teacher's mean over the cut, for the rows of speech, which come first."""
    deviation: Tensor
    emotion: Tensor
    """(R,)."""
    of_corpus: tuple[Tensor, ...]
    """Rows with emotions, by corpus."""


@dataclass(frozen=True)
class _Cuts:
    """The host's random choices for the rows of speech of several batches, one value per row."""

    which: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    out: NDArray[np.int64]
    """Samples after the change of speed."""
    before: NDArray[np.int64]
    speed: NDArray[np.float64]
    hops: NDArray[np.int64]


class Scenes:
    """Draws batches of a bank's recordings, endlessly."""

    def __init__(
        self,
        bank: Bank,
        noises: Flat,
        made: Flat,
        responses: list[Samples],
        config: SceneConfig,
        seed: int = 0,
    ) -> None:
        self.bank, self.config = bank, config
        self.device = bank.audio.samples.device
        self.rng = np.random.default_rng(seed)
        generator = torch.Generator(self.device)
        generator.manual_seed(seed)
        self.rooms = Rooms(config.augment, noises, responses, generator)
        self.made = Rooms(config.augment, made, [], generator)
        self.views = Views().to(self.device)
        known = (bank.audio.starts, bank.rows, bank.counts)
        self.starts, self.first_rows, self.counts = (self._on(array) for array in known)
        rough = [self._cuts(np.flatnonzero(~bank.held)[: config.batch]) for _ in range(20)]
        spoken = float(np.mean([c.hops.mean() for c in rough])) * config.batch
        self.tokens = -(-int(1.04 * spoken + self._noise_hops * config.sounds) // 64) * 64
        """Tokens per batch."""

    @property
    def _noise_hops(self) -> int:
        return min(self.config.hops, 3 * SAMPLE_RATE // HOP)

    def batches(self, often: NDArray[np.int64]) -> Iterator[Batch]:
        """Batches with recordings as frequent as ``often`` says, in random order."""
        pool = np.repeat(np.arange(len(often)), often)
        at_once = self.config.batch * self.config.ahead
        if not len(pool):
            raise ValueError("no recordings to make batches of: every one is left out")
        order = np.empty(0, np.int64)
        while True:
            while len(order) < at_once:
                order = np.concatenate([order, self.rng.permutation(pool)])
            yield from self.made_of(order[:at_once])
            order = order[at_once:]

    @torch.no_grad()
    def made_of(self, which: NDArray[np.int64]) -> Iterator[Batch]:
        """Batches of these recordings, ``batch`` in each."""
        c = self.config
        count = len(which) // c.batch
        cuts = self._cuts(which)
        on = {name: self._on(value) for name, value in vars(cuts).items()}
        dry, speech, power = self._spoken(on)
        silent, silent_power = self._silent(count * c.sounds)
        target, known = self._targets(on)
        mean, deviation = self._utterance(on)

        def joined(a: Tensor, b: Tensor) -> Tensor:
            parts = a.unflatten(0, (count, -1)), b.unflatten(0, (count, -1))
            return torch.cat(parts, 1).flatten(0, 1)

        hops = c.hops
        streams = joined(dry, silent)
        streams = torch.nn.functional.pad(streams, (LEAD, 0))
        none = torch.zeros(count * c.sounds, hops, dtype=torch.bool, device=self.device)
        spoken = joined(speech, none)
        heard = self.rooms(streams, joined(power, silent_power))
        segments = self.rooms.mask(self.views.of_streams(heard, spoken, c.pause))
        halves = Segments(*(v.half().unflatten(0, (count, -1)) for v in segments))
        spoken = spoken.unflatten(0, (count, -1))
        for n in range(count):
            mine = slice(n * c.batch, (n + 1) * c.batch)
            views = Segments(*(v[n].flatten(0, 1) for v in halves))
            yield self._batch(
                views,
                spoken[n],
                target[mine],
                known[mine] & speech[mine],
                cuts.hops[mine],
                (mean[mine], deviation[mine]),
                which[mine],
            )

    def _batch(
        self,
        views: Segments,
        speech: Tensor,
        target: Tensor,
        known: Tensor,
        hops: NDArray[np.int64],
        utterance: tuple[Tensor, Tensor],
        which: NDArray[np.int64],
    ) -> Batch:
        c = self.config
        every = np.concatenate([hops, np.full(c.sounds, self._noise_hops)])
        there = np.arange(c.hops) < every[:, None]
        source = np.flatnonzero(there)[: self.tokens]
        lacking = self.tokens - len(source)
        slot = np.concatenate([source, np.full(lacking, there.size)])
        real = (slot < there.size).astype(np.float32)
        source = np.concatenate([source, self.rng.choice(source, lacking)])
        index, at, true = self._on(source), self._on(slot), self._on(real)
        spoken = speech.float()
        flat = spoken.flatten()[index] * true
        wide = torch.nn.functional.pad(known.float(), (0, 0, 0, c.sounds)).flatten()[index] * true
        # Rows of sounds have no target; they read the first row's, with weight zero.
        goals = target.flatten(0, 1)
        goal = goals[torch.where(index < len(goals), index, 0)]
        present = torch.zeros(there.size + 1, device=self.device).index_fill_(0, at, 1.0)
        emotion, corpus = self.bank.emotion[which], self.bank.corpus[which]
        of_corpus = tuple(
            self._on(np.flatnonzero((emotion >= 0) & (corpus == n)))
            for n in range(len(self.bank.names))
        )
        return Batch(
            Segments(*(v.index_select(0, index) for v in views)),
            at,
            true,
            flat,
            wide,
            goal,
            spoken * present[:-1].view_as(spoken),
            *utterance,
            self._on(emotion),
            of_corpus,
        )

    def _cuts(self, which: NDArray[np.int64]) -> _Cuts:
        c, rng, bank = self.config, self.rng, self.bank
        rows, longest = len(which), int(c.longest * SAMPLE_RATE)
        whole = bank.audio.lengths[which]
        start = (rng.random(rows) * (np.maximum(whole - longest, 0) + 1)).astype(np.int64)
        length = np.minimum(whole, longest)
        changed = rng.random(rows) < c.changed
        speed = np.where(changed, 1 + rng.uniform(-c.speed, c.speed, rows), 1.0)
        if c.voiced:
            low, high = np.log(c.voices)
            other = np.exp(rng.uniform(low, high, rows))
            speed = np.where(rng.random(rows) < c.voiced, other, speed)
        out = np.ceil(length * speed).astype(np.int64)
        room = rng.uniform(0, c.lead, (rows, 2)) * SAMPLE_RATE * (rng.random((rows, 1)) < 0.5)
        before = room[:, 0].astype(np.int64) + rng.integers(HOP, size=rows)
        hops = -(-(before + out + room[:, 1].astype(np.int64)) // HOP)
        return _Cuts(which, start, length, out, before, speed, np.minimum(hops, c.hops))

    def _spoken(self, on: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Dry streams (B, 2048 T), a mask of speech (B, T), and mean powers (B,)."""
        c, bank = self.config, self.bank
        starts = self.starts[on["which"]] + on["start"]
        length = on["length"][:, None]
        places = torch.arange(int(c.longest * SAMPLE_RATE), device=self.device)
        places = starts[:, None] + torch.minimum(places, length - 1)
        cut, clean = (flat[places].float() for flat in (bank.audio.samples, bank.clean))
        draw, rows = self.rooms.uniform, len(starts)
        share = draw(0.3, 1.3, rows, 1).clamp(max=1.0)
        share = torch.where(draw(0, 1, rows, 1) < c.augment.clean, share, 0.0)
        cut = _below(cut + share * (clean - cut), on["speed"]) / 32768
        after = torch.arange(c.hops * HOP, device=self.device) - on["before"][:, None]
        inside = (after >= 0) & (after < on["out"][:, None])
        dry = _cubic(cut, after / on["speed"][:, None], length) * inside
        power = dry.square().sum(1) / on["out"]
        energy = dry.unflatten(1, (-1, FRAME_HOP)).square().mean(2)
        decibels = 10 * torch.log10(energy + 1e-12)
        within = inside[:, ::FRAME_HOP] & inside[:, FRAME_HOP - 1 :: FRAME_HOP]
        ordered = decibels.masked_fill(~within, -torch.inf).sort(1, descending=True).values
        loud = ordered.gather(1, (0.05 * (within.sum(1, keepdim=True) - 1).clamp(min=0)).long())
        heard = within & (decibels > loud - BELOW_DB) & (decibels > SOFTEST_DB)
        return dry, heard.unflatten(1, (-1, FRAMES)).float().mean(2) >= SHARE, power

    def _silent(self, rows: int) -> tuple[Tensor, Tensor]:
        """Sounds without speech (rows, 2048 T), and their mean powers."""
        c, draw = self.config, self.rooms.uniform
        length = self._noise_hops * HOP
        sound = self._sound(rows, length)
        second = 10 ** draw(-1.5, 0, rows, 1) * (draw(0, 1, rows, 1) < 0.4)
        sound = sound + second * self._sound(rows, length)
        # A quarter begins in digital silence.
        begin = draw(0, length, rows, 1) * (draw(0, 1, rows, 1) < 0.25)
        sound = sound * (torch.arange(length, device=self.device) >= begin)
        power = sound.square().mean(1)
        return torch.nn.functional.pad(sound, (0, c.hops * HOP - length)), power

    def _sound(self, rows: int, length: int) -> Tensor:
        draw = self.rooms.uniform
        made = draw(0, 1, rows, 1) < MADE
        sound = torch.where(made, self.made.cuts(rows, length), self.rooms.cuts(rows, length))
        sound = torch.where(~made & (draw(0, 1, rows, 1) < 0.5), sound.flip(1), sound)
        peak = torch.where(made, 0.5, 0.3)
        return sound * (peak / (sound.abs().amax(1, keepdim=True) + 1e-6))

    def _targets(self, on: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Each token's target (B, T, D), and which tokens have one (B, T).

        The same as :func:`train.teacher.targets.of_tokens`.
        """
        row, count = self._rows(on)
        row, count, speed = row[:, None], count[:, None], on["speed"][:, None]
        ends = torch.arange(1, self.config.hops + 1, device=self.device) * HOP
        ends = (ends - on["before"][:, None]) / speed + on["start"][:, None]
        limit = count.double()
        first = torch.minimum(((ends - SEGMENT / speed) / STEP).clamp(min=0), limit)
        last = torch.minimum((ends / STEP).clamp(min=0), limit)
        low, high = first.floor().long(), last.ceil().long()
        found = self.bank.sums[row + high] - self.bank.sums[row + torch.minimum(low, high)]
        target = found / (high - low).clamp(min=1)[..., None]
        return target, last - first >= 0.5 * SEGMENT / speed / STEP

    def _utterance(self, on: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The teacher's mean and deviation (B, D) over each cut."""
        row, count = self._rows(on)
        low = torch.minimum(on["start"] // STEP, count - 1)
        high = torch.minimum((on["start"] + on["length"]) // STEP, count)
        high = torch.maximum(high, low + 1)
        spans = [sums[row + high] - sums[row + low] for sums in (self.bank.sums, self.bank.squares)]
        mean, square = (span / (high - low)[:, None] for span in spans)
        return mean, ((square - mean.square()).clamp(min=0) + 1e-4).sqrt()

    def _rows(self, on: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        return self.first_rows[on["which"]], self.counts[on["which"]]

    def _on(self, array: NDArray[np.generic]) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor


def _below(samples: Tensor, speed: Tensor) -> Tensor:
    """Samples (B, N) without what would alias when they are played in ``speed`` times the time."""
    fast = (speed < 1).nonzero().flatten()
    if not len(fast):
        return samples
    spectrum = torch.fft.rfft(samples[fast])
    axis = torch.linspace(0, 1, spectrum.shape[1], device=samples.device)
    spectrum *= axis < 0.98 * speed[fast, None]
    kept: Tensor = torch.fft.irfft(spectrum, samples.shape[1])
    return samples.index_copy(0, fast, kept)


def _cubic(samples: Tensor, place: Tensor, length: Tensor) -> Tensor:
    """Samples (B, N) interpolated at places (B, P) with Catmull and Rom's cubic."""
    low = place.floor()
    x, first = (place - low).float(), low.long()
    weights = (
        ((-x + 2) * x - 1) * x / 2,
        ((3 * x - 5) * x * x + 2) / 2,
        ((-3 * x + 4) * x + 1) * x / 2,
        (x - 1) * x * x / 2,
    )
    total = torch.zeros_like(x)
    for tap, weight in enumerate(weights, -1):
        at = torch.minimum((first + tap).clamp(min=0), length - 1)
        total += weight * samples.gather(1, at)
    return total
