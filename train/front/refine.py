"""Trains a finished front end further, on one machine, with other voices.

The corpora and the teacher's vectors are those that :class:`train.product.Product` stores. Two
recordings in five are played faster or slower, so that they sound like another voice, up to a
child's. Their targets are the teacher's vectors of the unchanged recording. The emotions are
learned at the same time, so that they are not forgotten.
"""

from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.default import LABELLED
from train.front.bank import Bank, Flat, summed
from train.front.ground import Ground, Log
from train.front.material import made
from train.front.pack_files import RESPONSE
from train.front.plan import OFTEN, Plan
from train.front.rounds import Course, Rounds
from train.front.scenes import SceneConfig
from train.product import SIZE, Product

COURSE = Course((0, 1150), 50)
PLAN = Plan(
    sizes=(SIZE,),
    scenes=SceneConfig(batch=32, ahead=1, voices=(0.58, 1.3), voiced=0.4),
    made=400,
    learning_rate=8e-4,
    slower=1.0,
    heads=100,
)


def refine(product: Product, start: Path, out: Path, course: Course = COURSE) -> None:
    """Writes ``a2-14.safetensors`` to ``out``, and the state of the training each round.

    A run that was stopped continues from that state. ``start`` is a checkpoint, or an
    ``a2-14.safetensors``.
    """
    device = torch.device("cpu")
    Rounds(PLAN, course, partial(_ground, product, start), out, device).run()


def _ground(product: Product, start: Path, log: Log) -> Ground:
    torch.manual_seed(PLAN.seed)  # of the heads' first weights
    device, corpora = torch.device("cpu"), product.corpora
    kept_out, labels = product.test | product.development, product.config.labels
    heard, clean, vectors = list[NDArray[np.int16]](), list[NDArray[np.int16]](), list[Tensor]()
    emotion, corpus, often, speaker = list[int](), list[int](), list[int](), list[str]()
    for name, one in {**corpora.labelled, **corpora.unlabelled}.items():
        features = product.features(name)
        for i, recording in enumerate(one.recordings):
            if recording.speaker in kept_out:
                continue
            heard.append(_int16(one.audio.raw(i)))
            clean.append(_int16(one.clean.raw(i)) if one.clean else heard[-1])
            vectors.append(torch.from_numpy(np.asarray(features.of(i)).astype(np.float32)))
            known = recording.emotion in labels
            emotion.append(labels.index(recording.emotion) if known else -1)
            corpus.append(LABELLED.index(name) if name in LABELLED else -1)
            often.append(OFTEN.get(name, 1))
            speaker.append(recording.speaker or name)
    sums, squares, counts = summed(vectors)
    bank = Bank(
        Flat.of(heard, device),
        torch.from_numpy(np.concatenate(clean)),
        sums,
        squares,
        np.cumsum(counts + 1) - (counts + 1),
        counts,
        np.array(emotion),
        np.array(corpus),
        LABELLED,
        np.array(often),
        np.zeros(len(heard), np.bool_),
    )
    log.took("corpora and teacher", hours=bank.hours)
    sounds, responses = product.sounds(), product.sounds(music=False).impulse_responses
    return Ground(
        PLAN,
        device,
        bank,
        Flat.of([_int16(x) for x in sounds.noises], device),
        Flat.of(made(PLAN.made, 1), device),
        [r[np.abs(r).argmax() :][:RESPONSE] for r in responses],
        start=start,
        even=evened(vectors, speaker),
    )


def evened(vectors: list[Tensor], speaker: list[str]) -> Tensor:
    """A matrix (2 D, 2 D) for errors in a recording's mean and deviation of vectors (N, D).

    Its directions are how recordings of one speaker differ, where emotions are found. Each is
    divided by the fourth root of its variance, so that small ones count as well.
    """
    each = [torch.cat([v.mean(0), (v.var(0, unbiased=False) + 1e-4).sqrt()]) for v in vectors]
    stats, voices = torch.stack(each).double(), np.array(speaker)
    within = stats.clone()
    for voice in set(speaker):
        rows = np.flatnonzero(voices == voice)
        within[rows] -= stats[rows].mean(0)
    deviation = within.std(0)
    scaled = within / deviation
    values, directions = torch.linalg.eigh(scaled.T @ scaled / len(scaled))
    matrix = directions / deviation[:, None] * values.clamp(min=1e-4) ** -0.25
    # The mean's error keeps its size.
    size = stats.var(0).mean() / (stats @ matrix).var(0).mean()
    even: Tensor = (matrix * size.sqrt()).float()
    return even


def _int16(samples: NDArray[np.int16] | NDArray[np.float32]) -> NDArray[np.int16]:
    if samples.dtype == np.int16:
        return np.asarray(samples, np.int16)
    scaled: NDArray[np.int16] = np.rint(samples.clip(-1, 1) * 32767).astype(np.int16)
    return scaled
