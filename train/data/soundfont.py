"""Random music for the speech gate to refuse, rendered by FluidSynth with a General MIDI font.

FluidSynth is a program (Debian: ``fluidsynth``); the font is a file such as FluidR3 (MIT licence,
Debian: ``fluid-soundfont-gm``). Without them training uses the sounds of ``music.py``.
"""

import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from train.data.music import CHORDS, SCALES
from train.models.segment import SAMPLE_RATE

FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
VOICES = (52, 53, 54, 85, 91)
"""General MIDI programs that imitate voices; excluded."""
TICKS = 480
"""Ticks of a quarter note."""


def available(font: Path = FONT) -> bool:
    """Whether music can be rendered here."""
    return font.is_file() and shutil.which("fluidsynth") is not None


def rendered(seed: int, seconds: float, font: Path = FONT) -> NDArray[np.float32]:
    """A random piece of about this length, mono at 16 kHz."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = Path(folder) / "piece.mid", Path(folder) / "piece.wav"
        midi.write_bytes(_piece(np.random.default_rng(seed), seconds))
        command = ["fluidsynth", "-ni", "-q", "-r", str(SAMPLE_RATE), "-F", str(wave), str(font)]
        subprocess.run([*command, str(midi)], check=True, capture_output=True)
        samples, _ = soundfile.read(wave, dtype="float32", always_2d=True)
    mono: NDArray[np.float32] = samples.mean(1)[: int(seconds * SAMPLE_RATE)]
    return mono


def _piece(rng: np.random.Generator, seconds: float) -> bytes:
    """A standard MIDI file: up to five instruments and drums in one key and tempo."""
    tempo = rng.uniform(70, 170)
    beats = int(seconds * tempo / 60) + 1
    scale, root = SCALES[int(rng.integers(len(SCALES)))], int(rng.integers(45, 57))
    events: list[tuple[int, bytes]] = []

    def play(channel: int, start: float, length: float, note: int, loud: int) -> None:
        note = int(np.clip(note, 20, 110))
        events.append((int(start * TICKS), bytes((0x90 | channel, note, loud))))
        events.append((int((start + length) * TICKS), bytes((0x80 | channel, note, 0))))

    for channel in range(int(rng.integers(1, 6))):
        program = int(rng.choice([p for p in range(120) if p not in VOICES]))
        events.append((0, bytes((0xC0 | channel, program))))
        beat, degree, loud = 0.0, int(rng.integers(0, 14)), int(rng.integers(60, 120))
        chords = rng.random() < 0.5
        while beat < beats:
            length = float(rng.choice((0.5, 1, 1, 2, 4) if chords else (0.25, 0.5, 0.5, 1, 2)))
            degree = int(np.clip(degree + rng.integers(-3, 4), -5, 16))
            steps = CHORDS[int(rng.integers(len(CHORDS)))] if chords else (0,)
            for step in steps if rng.random() < 0.9 else ():
                octave, place = divmod(degree + step, len(scale))
                play(channel, beat, length * 0.95, root + 12 * octave + scale[place], loud)
            beat += length
    if rng.random() < 0.6:
        pattern = rng.integers(0, 4, 8)
        for eighth in range(2 * beats):
            drum = (36, 38, 42, 46)[int(pattern[eighth % 8])]
            play(9, eighth / 2, 0.2, drum, int(rng.integers(60, 120)))
    events.sort(key=lambda e: e[0])
    track, now = b"\x00\xff\x51\x03" + int(60e6 / tempo).to_bytes(3, "big"), 0
    for tick, message in events:
        track += _variable(tick - now) + message
        now = tick
    track += b"\x00\xff\x2f\x00"
    head = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS)
    return head + struct.pack(">4sI", b"MTrk", len(track)) + track


def _variable(number: int) -> bytes:
    """MIDI's variable-length number."""
    parts = [number & 0x7F]
    while number := number >> 7:
        parts.append(0x80 | (number & 0x7F))
    return bytes(reversed(parts))
