"""Synthetic sounds without speech: music, hums, beeps, clicks, pops.

A speech gate that was trained only with weather and animals takes music for speech. These sounds
have no licence, and no two are equal.
"""

import numpy as np
from numpy.typing import NDArray

from train.models.segment import SAMPLE_RATE

Samples = NDArray[np.float32]

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))
CHORDS = ((0, 2, 4), (0, 2, 4, 6), (0, 4), (0, 3, 4))


class SoundMaker:
    """Draws sounds. Owns its random generator: the same seed, the same sounds."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, samples: int) -> Samples:
        """A sound of a random kind, (samples,) with a peak of 0.5."""
        kinds = (self.music, self.music, self.music, self.hum, self.events, self.sweeps)
        made = kinds[int(self.rng.integers(len(kinds)))](samples)
        peak = float(np.abs(made).max()) + 1e-9
        scaled: Samples = (made * (0.5 / peak)).astype(np.float32)
        return scaled

    def music(self, samples: int) -> Samples:
        """Chords, a melody and perhaps drums, in a random key, tempo and timbre."""
        rng, total = self.rng, np.zeros(samples, np.float32)
        beat = int(SAMPLE_RATE * rng.uniform(0.18, 0.8))
        scale = SCALES[int(rng.integers(len(SCALES)))]
        root = rng.uniform(40, 60)
        parts = rng.random(3) < (0.8, 0.75, 0.5)
        if not parts.any():
            parts[0] = True
        if parts[0]:
            timbre, length = self._timbre(), int(rng.integers(1, 5)) * beat
            for start in range(0, samples, length):
                degree = int(rng.integers(7))
                for step in CHORDS[int(rng.integers(len(CHORDS)))]:
                    note = _note(scale, degree + step, root)
                    self._add(total, start, self._tone(note, length, timbre))
        if parts[1]:
            timbre, degree, start = self._timbre(), int(rng.integers(4, 14)), 0
            vibrato = rng.uniform(0, 0.6) * (rng.random() < 0.5)
            while start < samples:
                length = max(1, int(beat * (0.5, 0.5, 1, 1, 2, 3)[int(rng.integers(6))]))
                degree = int(np.clip(degree + rng.integers(-3, 4), 0, 21))
                if rng.random() < 0.85:
                    note = _note(scale, degree, root + 12)
                    tone = self._tone(note, int(length * rng.uniform(0.6, 1.2)), timbre, vibrato)
                    self._add(total, start, tone * np.float32(rng.uniform(0.8, 2.0)))
                start += length
        if parts[2]:
            self._drums(total, beat)
        return total

    def hum(self, samples: int) -> Samples:
        """Mains, fans, engines: slowly changing harmonics and coloured noise."""
        rng, time = self.rng, np.arange(samples, dtype=np.float32) / SAMPLE_RATE
        base = rng.uniform(25, 400)
        drift = 1 + rng.uniform(0, 0.05) * np.sin(2 * np.pi * rng.uniform(0.05, 3) * time)
        phase = np.cumsum(base * drift / SAMPLE_RATE)
        total = np.zeros(samples)
        for k in range(1, int(rng.integers(2, 24))):
            if base * k < 7000:
                total += rng.random() / k ** rng.uniform(0.2, 1.5) * np.sin(2 * np.pi * k * phase)
        beats = 1 + rng.uniform(0, 0.9) * np.sin(2 * np.pi * rng.uniform(0.5, 20) * time)
        hiss = np.cumsum(rng.standard_normal(samples)) * (rng.random() < 0.3)
        hiss = hiss - np.mean(hiss)
        noise = rng.standard_normal(samples) * rng.uniform(0, 0.6)
        return np.asarray(total * beats + noise + 0.02 * hiss, np.float32)

    def events(self, samples: int) -> Samples:
        """Beeps, clicks, pops and knocks over soft noise."""
        rng = self.rng
        total = (rng.standard_normal(samples) * 10 ** rng.uniform(-5, -1.5)).astype(np.float32)
        for _ in range(int(rng.integers(1, 2 + samples // 8000))):
            start, kind = int(rng.integers(samples)), rng.random()
            if kind < 0.3:
                length = int(SAMPLE_RATE * rng.uniform(0.03, 0.6))
                sound = self._tone(rng.uniform(60, 108), length, self._timbre())
            elif kind < 0.65:
                length = int(SAMPLE_RATE * rng.uniform(0.004, 0.2))
                fade = np.exp(-np.arange(length) / (length * rng.uniform(0.1, 0.4)))
                sound = (rng.standard_normal(length) * fade).astype(np.float32)
            else:  # a plosive or a pop: a burst of low frequency
                length = int(SAMPLE_RATE * rng.uniform(0.01, 0.12))
                time = np.arange(length) / SAMPLE_RATE
                wave = np.sin(2 * np.pi * rng.uniform(20, 250) * time + rng.uniform(0, 6))
                sound = (wave * np.hanning(length)).astype(np.float32)
            self._add(total, start, sound * np.float32(10 ** rng.uniform(-1, 0.3)))
        return total

    def sweeps(self, samples: int) -> Samples:
        """Sirens and bird-like glides."""
        rng, time = self.rng, np.arange(samples, dtype=np.float32) / SAMPLE_RATE
        low, high = np.sort(rng.uniform(200, 4000, 2))
        rate = rng.uniform(0.2, 8)
        place = 0.5 + 0.5 * np.sin(2 * np.pi * rate * time + rng.uniform(0, 6))
        if rng.random() < 0.4:
            place = (rate * time) % 1
        phase = np.cumsum((low + (high - low) * place) / SAMPLE_RATE)
        on = np.sin(2 * np.pi * rng.uniform(0.3, 4) * time) > rng.uniform(-1, 0.5)
        wave = np.sin(2 * np.pi * phase) + rng.uniform(0, 0.5) * np.sin(4 * np.pi * phase)
        noise = rng.standard_normal(samples) * 10 ** rng.uniform(-4, -1)
        return np.asarray(wave * on + noise, np.float32)

    def _timbre(self) -> tuple[NDArray[np.float64], float, float, float]:
        """Strength of each harmonic, seconds of attack and decay, detuning."""
        rng = self.rng
        count = int(rng.integers(1, 16))
        strength = rng.random(count) / np.arange(1, count + 1) ** rng.uniform(0.3, 2.0)
        strength[0] += 0.2
        return strength, 10 ** rng.uniform(-2.7, -0.8), 10 ** rng.uniform(-1.2, 0.8), rng.random()

    def _tone(
        self,
        note: float,
        length: int,
        timbre: tuple[NDArray[np.float64], float, float, float],
        vibrato: float = 0.0,
    ) -> Samples:
        """One note (MIDI number) of a timbre, (length,)."""
        strength, attack, decay, detune = timbre
        time = np.arange(length) / SAMPLE_RATE
        hertz = 440 * 2 ** ((note - 69) / 12)
        wobble = 2 ** (vibrato * np.sin(2 * np.pi * 5.5 * time) / 12)
        phase = 2 * np.pi * np.cumsum(hertz * wobble) / SAMPLE_RATE
        total = np.zeros(length)
        for k, part in enumerate(strength, 1):
            if hertz * k < 7500:
                total += part * np.sin(k * phase + detune * k)
        shape = np.minimum(time / attack, 1) * np.exp(-time / decay)
        release = np.minimum((length - np.arange(length)) / (0.02 * SAMPLE_RATE), 1)
        tone: Samples = (total * shape * release).astype(np.float32)
        return tone

    def _drums(self, total: Samples, beat: int) -> None:
        """Kicks and snares on the beat, a hat between."""
        rng = self.rng
        for number, start in enumerate(range(0, len(total), max(beat // 2, 400))):
            length = int(SAMPLE_RATE * rng.uniform(0.04, 0.2))
            fade = np.exp(-np.arange(length) / (0.25 * length))
            if number % 4 == 0:
                time = np.arange(length) / SAMPLE_RATE
                sound = 3 * np.sin(2 * np.pi * (50 * time + 6 * (1 - np.exp(-30 * time)))) * fade
            else:
                sound = rng.standard_normal(length) * fade * (0.4, 0.4, 1.5, 0.4)[number % 4]
                if number % 2:
                    sound = np.diff(sound, prepend=0)
            self._add(total, start, sound.astype(np.float32))

    @staticmethod
    def _add(total: Samples, start: int, sound: Samples) -> None:
        end = min(len(total), start + len(sound))
        total[start:end] += sound[: end - start]


def _note(scale: tuple[int, ...], degree: int, root: float) -> float:
    octave, step = divmod(degree, len(scale))
    return root + 12 * octave + scale[step]
