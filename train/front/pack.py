"""Packs the front end's training data, small enough to copy them to a machine with a GPU.

Recordings are concatenated in Ogg Opus files, ``GROUP`` in each, with silence in between;
``index.json`` has their positions and metadata. The teacher is included up to the layers that are
used. What training derives from these (features, recordings without noise floor) is computed on the
other machine: it takes seconds there and would be too large. Needs FFmpeg.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from train.data.manifest import Recording
from train.default import LABELLED
from train.files import atomic_write
from train.front.pack_files import INDEX, PROJECTION, RESPONSE, ROOMS, TEACHER, Group
from train.models.segment import SAMPLE_RATE
from train.product import Product
from train.teacher.whisper import WANTED

Samples = NDArray[np.float32]
KBPS = {"emodb": 48, "cremad": 20, "librispeech": 20, "speechocean762": 17}
SOUND_KBPS = 32
GROUP = 64
GAP = 1600
"""Samples of silence after each recording, because codecs have a memory."""
HELD_EVERY = 24
"""Every n-th speaker without emotions is not trained on, to detect overfitting."""
PART_BYTES = 57 * 2**20


def pack(product: Product, out: Path, part_bytes: int = PART_BYTES) -> list[Path]:
    """Writes the pack to ``out/part1``, ``out/part2``, …, each filled before the next.

    It contains no test speakers, and none on whom thresholds are chosen.
    """
    parts = _Parts(out, part_bytes)
    wanted = tuple(f"layer_{n}." for n in range(max(WANTED), 99))
    teacher = {n: t for n, t in load_file(product.teacher).items() if not n.startswith(wanted)}
    save_file({n: t.half() for n, t in teacher.items()}, parts.new(TEACHER))
    parts.done()
    projection = product.projection
    np.savez(parts.new(PROJECTION), mean=projection.mean, matrix=projection.matrix)
    parts.done()
    sounds = product.sounds(music=False)
    np.savez(
        parts.new(ROOMS), *[r[np.abs(r).argmax() :][:RESPONSE] for r in sounds.impulse_responses]
    )
    parts.done()
    groups = list(_sounds(parts, "noise", sounds.noises))
    for name, corpus in {**product.corpora.labelled, **product.corpora.unlabelled}.items():
        groups += _speech(parts, product, name, corpus)
    whole_sounds = product.sounds()
    groups += _sounds(parts, "music", whole_sounds.noises[len(sounds.noises) :])
    index = json.dumps([vars(g) for g in groups])
    with atomic_write(out / "part1" / INDEX) as partial:
        partial.write_text(index, encoding="utf-8")
    return parts.folders


def _speech(parts: "_Parts", product: Product, name: str, corpus: Any) -> Iterator[Group]:
    kept_out = product.test | product.development
    voices = sorted(corpus.speakers() - kept_out)
    shown = set() if name in LABELLED else set(voices[::HELD_EVERY])
    labels = product.config.labels
    chosen = [i for i, r in enumerate(corpus.recordings) if r.speaker not in kept_out]
    for number, first in enumerate(range(0, len(chosen), GROUP)):
        some = chosen[first : first + GROUP]
        recordings: list[Recording] = [corpus.recordings[i] for i in some]
        emotions = [labels.index(r.emotion) if r.emotion in labels else -1 for r in recordings]
        held = [r.speaker in shown for r in recordings]
        waves = [corpus.audio[i] for i in some]
        yield _group(parts, f"{name}-{number}", name, waves, emotions, held)


def _sounds(parts: "_Parts", name: str, sounds: Sequence[Samples]) -> Iterator[Group]:
    for number, first in enumerate(range(0, len(sounds), GROUP)):
        some = sounds[first : first + GROUP]
        yield _group(parts, f"{name}-{number}", name, some, [-1] * len(some), [False] * len(some))


def _group(
    parts: "_Parts",
    file: str,
    corpus: str,
    waves: Sequence[Samples],
    emotions: list[int],
    held: list[bool],
) -> Group:
    path = parts.new(f"{file}.opus")
    lengths = [len(w) for w in waves]
    starts = np.cumsum([0, *[n + GAP for n in lengths[:-1]]]).tolist()
    flat = np.concatenate([np.pad(w, (0, GAP)) for w in waves])
    _encode(flat, KBPS.get(corpus, SOUND_KBPS), path)
    parts.done()
    return Group(path.name, corpus, starts, lengths, emotions, held)


def _encode(samples: Samples, kbps: int, path: Path) -> None:
    pcm = np.rint(samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
    raw = ["-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "-"]
    opus = ["-c:a", "libopus", "-b:a", f"{kbps}k", "-compression_level", "5", "-y", str(path)]
    subprocess.run(["ffmpeg", "-loglevel", "error", *raw, *opus], input=pcm, check=True)


class _Parts:
    """Folders that are filled one after another."""

    def __init__(self, out: Path, part_bytes: int) -> None:
        self.out, self.most, self.folders = out, part_bytes, list[Path]()
        self._path, self._used = Path(), part_bytes

    def new(self, name: str) -> Path:
        self._path = self.out / name
        self.out.mkdir(parents=True, exist_ok=True)
        return self._path

    def done(self) -> None:
        """Moves the file whose place :meth:`new` returned to a part."""
        size = self._path.stat().st_size
        if self._used + size > self.most:
            self.folders.append(self.out / f"part{len(self.folders) + 1}")
            self.folders[-1].mkdir(exist_ok=True)
            self._used = 0
        self._used += size
        self._path.replace(self.folders[-1] / self._path.name)
