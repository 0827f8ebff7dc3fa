"""Measures the errors of each precision against float64, and its effect on real recordings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

import edgeser
from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cpu.front_end import FrontEnd, OnnxFrontEnd
from edgeser.bundle import read_bundle, write_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.export import precision as graphs
from edgeser.options import PRECISIONS
from edgeser.reference import kernels as reference
from train.checkpoint import Checkpoint
from train.data.examples import Corpus
from train.data.manifest import read_manifest
from train.default import LABELLED, UNHEARD
from train.export import PAUSE
from train.losses import speech_weights, verdict
from train.metrics import Scores
from train.models.emotion import EmotionModel
from train.models.segment import HOP, LEAD, SAMPLE_RATE, SEGMENT

Samples = NDArray[np.float32]
POOL_SIZE = 64
"""Recordings in one pool."""
CALIBRATION_RECORDINGS = 60
"""Recordings of each labelled corpus for the scales of the int8 graph, evenly spaced."""
FRONT_END_RECORDINGS = 40
"""Recordings of each corpus for the comparison of front ends, evenly spaced."""


@dataclass(frozen=True)
class Variant:
    """A way to run the model: runtime and precision of the front end, precision of the kernels."""

    runtime: str
    front_end: str
    kernels: edgeser.Precision

    def __str__(self) -> str:
        return f"{self.runtime}, {self.front_end} | {self.kernels}"


OURS, ONNX = "C++", "ONNX Runtime"
VARIANTS = (
    Variant(OURS, "float32", "float32"),
    Variant(OURS, "bfloat16", "bfloat16"),
    Variant(OURS, "int8", "int8"),
    Variant(ONNX, "float32", "float32"),
    Variant(ONNX, "float16", "float32"),
    Variant(ONNX, "float16", "bfloat16"),
    Variant(ONNX, "int8", "float32"),
    Variant(ONNX, "int8", "int8"),
)


@dataclass(frozen=True)
class Outputs:
    """Results for R recordings: all their frames (N, L + 1), and verdicts (R, L).

    A frame has the log-probabilities of the emotions, and the probability of speech.
    """

    frames: NDArray[np.float64]
    verdicts: NDArray[np.float64]


@dataclass(frozen=True)
class Sounds:
    """Recordings of one corpus and their labels."""

    corpus: str
    audio: list[Samples]
    truth: NDArray[np.int64]

    @staticmethod
    def of(data: Path, work: Path, corpus: str, labels: Sequence[str]) -> "Sounds":
        """The recordings of a corpus with one of ``labels``."""
        read = Corpus.of(read_manifest(data / "manifest.csv"), corpus, work / "features")
        examples = read.labelled(labels)
        truth = np.array([int(np.argmax(e.target)) for e in examples])
        return Sounds(corpus, [_dithered(e.audio()) for e in examples], truth)


def _dithered(samples: Samples) -> Samples:
    """Adds noise of half a step of 16 bits, which removes digital silence.

    A stream restarts its grid of hops after digital silence; the training model does not, so their
    frames would contain different samples.
    """
    noise = np.random.default_rng(len(samples)).uniform(-0.5, 0.5, len(samples)) / 32768
    return (samples + noise).astype(np.float32)


def bundles(folder: Path, calibration: Sequence[Samples]) -> dict[tuple[str, str], Path]:
    """Bundles by runtime and precision of the front end; ours is always the shipped one."""
    folder.mkdir(parents=True, exist_ok=True)
    shipped = read_bundle(DEFAULT_BUNDLE)
    manifest = {k: v for k, v in shipped.manifest.raw.items() if k not in ("frontend", "members")}
    tensors = {k: v for k, v in shipped.tensors.items() if not k.startswith("frontend.")}
    # The precision of the C++ front end is set at loading.
    paths: dict[tuple[str, str], Path] = {(OURS, own): DEFAULT_BUNDLE for own in PRECISIONS}
    feeds = list(_feeds(_onnx(shipped.frontend), calibration))
    for precision, graph in (
        ("float32", shipped.frontend),
        ("float16", graphs.float16(shipped.frontend)),
        ("int8", graphs.int8(shipped.frontend, feeds)),
    ):
        path = paths[ONNX, precision] = folder / f"{precision}.edgeser"
        write_bundle(path, manifest, graph, tensors)
    return paths


def through_sdk(model: edgeser.Model, sounds: Sounds) -> Outputs:
    """Frames and verdicts from the SDK's streams."""
    frames: list[list[float]] = []
    verdicts = []
    for first in range(0, len(sounds.audio), POOL_SIZE):
        pool = model.pool()
        group = [(pool.stream(SAMPLE_RATE), a) for a in sounds.audio[first : first + POOL_SIZE]]
        results = pool.process(dict(group))
        for stream, _ in group:
            end = stream.flush()
            frames += [
                [*np.log(list(frame.probabilities.values())), frame.speech]
                for frame in (*results[stream], *end.frames)
            ]
            verdicts.append(list(end.probabilities.values()))
    return Outputs(np.array(frames), np.array(verdicts))


@torch.no_grad()
def in_float64(checkpoint: Checkpoint, sounds: Sounds) -> Outputs:
    """Frames and verdicts from the training model, entirely in float64."""
    model = checkpoint.model.double()
    frames, verdicts = [], []
    for audio in tqdm(sounds.audio, desc=f"{sounds.corpus} in float64", unit="file"):
        samples = torch.from_numpy(audio.astype(np.float64))[None]
        emotions, speech = model.offline(samples, checkpoint.thresholds["speech"], PAUSE)
        emotions = emotions / checkpoint.temperature
        logits = torch.cat([emotions, speech[:, None]], dim=1)[None]
        spoken = speech_weights(
            logits, torch.tensor([logits.shape[1]]), checkpoint.thresholds["speech"]
        )
        mixed = verdict(logits, spoken)[0]
        verdicts.append(mixed if mixed.any() else torch.full_like(mixed, 1 / len(mixed)))
        frames.append(torch.cat([emotions.log_softmax(-1), speech[:, None].sigmoid()], dim=1))
    return Outputs(torch.cat(frames).numpy(), torch.stack(verdicts).numpy())


def compared(got: Outputs, exact: Outputs, full: Outputs, sounds: Sounds) -> dict[str, float]:
    """Errors against float64 (``exact``), UA, and agreement of verdicts with float32 (``full``)."""
    log_error = got.frames[:, :-1] - exact.frames[:, :-1]
    error = np.abs(np.exp(got.frames[:, :-1]) - np.exp(exact.frames[:, :-1])).max(1)
    emotions, full_emotions = got.verdicts.argmax(1), full.verdicts.argmax(1)
    return {
        "rms_log_probability": float(np.sqrt(np.mean(log_error**2))),
        "p99_probability": float(np.quantile(error, 0.99)),
        "worst_probability": float(error.max()),
        "worst_speech": float(np.abs(got.frames[:, -1] - exact.frames[:, -1]).max()),
        "shift": float(np.abs(got.verdicts - full.verdicts).sum(1).mean() / 2),
        "agreement": float((emotions == full_emotions).mean()),
        "ua": Scores.of(sounds.truth, emotions, got.verdicts.shape[1]).ua,
        "frames": len(got.frames),
        "recordings": len(emotions),
    }


@torch.no_grad()
def front_ends(
    paths: dict[tuple[str, str], Path], model: EmotionModel, sounds: Sequence[Samples]
) -> dict[str, dict[str, float]]:
    """Relative errors of R_d and E_o against float64, and the share of different codes."""
    exact = model.double().frontend
    ours = Engine(read_bundle(DEFAULT_BUNDLE)).front_end
    codebook = read_bundle(DEFAULT_BUNDLE).tensors["vq.codebook"].astype(np.float64)
    feeds = list(_feeds(ours, sounds))
    expected = [
        exact(torch.from_numpy(f["segment"]).double(), torch.from_numpy(f["level"]).double())
        for f in feeds
    ]
    deep, latent = (np.concatenate([part[i].numpy() for part in expected]) for i in range(2))
    codes = [reference.nearest_codes(part[1].numpy(), codebook) for part in expected]
    rows = {}
    for (runtime, precision), path in paths.items():
        # Only our front end takes a precision at loading.
        options = [p for p in PRECISIONS if runtime == OURS and p == precision]
        run = Engine(read_bundle(path), *options).front_end
        parts = [run(f["segment"], f["level"]) for f in feeds]
        chosen = [reference.nearest_codes(p.latent.astype(np.float64), codebook) for p in parts]
        rows[f"{runtime}, {precision}"] = {
            "deep": _relative(np.concatenate([p.deep for p in parts]), deep),
            "latent": _relative(np.concatenate([p.latent for p in parts]), latent),
            "codes_changed": float((np.concatenate(chosen) != np.concatenate(codes)).mean()),
            "segments": len(deep),
        }
    return rows


def measure(data: Path, work: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """Measures everything that the page needs: see ``train.studies.precision.page``."""
    labels = checkpoint.model.config.labels
    corpora = [Sounds.of(data, work, name, labels) for name in (*LABELLED, UNHEARD)]
    labelled = [s for s in corpora if s.corpus in LABELLED]
    calibration = [a for s in labelled for a in _evenly(s.audio, CALIBRATION_RECORDINGS)]
    paths = bundles(work / "precision", calibration)
    results: dict[str, Any] = {
        "front_ends": front_ends(
            paths,
            checkpoint.model,
            [a for s in corpora for a in _evenly(s.audio, FRONT_END_RECORDINGS)],
        )
    }
    full = edgeser.load()
    for sounds in corpora:
        exact, in_float32 = in_float64(checkpoint, sounds), through_sdk(full, sounds)
        rows = {"float64": compared(exact, exact, in_float32, sounds)}
        for variant in tqdm(VARIANTS, desc=sounds.corpus, unit="variant"):
            path = paths[variant.runtime, variant.front_end]
            model = edgeser.load(path, precision=variant.kernels, allow_onnx=True)
            rows[str(variant)] = compared(through_sdk(model, sounds), exact, in_float32, sounds)
        results[sounds.corpus] = rows
    return results


def _feeds(run: FrontEnd, sounds: Sequence[Samples]) -> Iterator[graphs.Feed]:
    """Segments and running levels of the recordings, one batch per recording."""
    unset = read_bundle(DEFAULT_BUNDLE).manifest.level_initial
    for audio in sounds:
        padded = np.pad(audio, (LEAD, -len(audio) % HOP))
        segments = np.lib.stride_tricks.sliding_window_view(padded, SEGMENT)[::HOP].copy()
        levels = [np.float32(unset)]
        for segment in segments[:-1]:
            levels.append(run(segment[None], np.array(levels[-1:], np.float32)).level[0])
        yield {"segment": segments, "level": np.array(levels, np.float32)}


def _onnx(graph: bytes) -> FrontEnd:
    manifest = read_bundle(DEFAULT_BUNDLE).manifest
    return OnnxFrontEnd(graph, manifest.sizes, manifest.level_initial)


def _evenly(items: Sequence[Samples], count: int) -> list[Samples]:
    return list(items[:: max(1, len(items) // count)][:count])


def _relative(got: NDArray[np.float32], want: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2)))
