"""A minimal backend in NumPy: tokens of segments, logits of tokens, undo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

import edgeser
from edgeser.backends.cpu.engine import Engine
from edgeser.backends.interface import take_turn
from edgeser.bundle import read_bundle
from edgeser.reference.kernels import (
    TacnPast,
    TacnWeights,
    VQFusionWeights,
    fuse,
    nearest_codes,
    tacn_step,
)
from tests.sounds import speech_like

if TYPE_CHECKING:
    from edgeser import _kernels as native

Floats = npt.NDArray[np.float32]
HOP = 2048


class InNumpy:
    """Implements :class:`edgeser.backends.interface.Stepper`."""

    largest_batch = 3

    def __init__(self, cpu: Engine) -> None:
        t = {name: value.astype(np.float64) for name, value in cpu.bundle.tensors.items()}
        self.front_end = cpu.front_end
        self.fusion = VQFusionWeights(
            *(t[f"vq.{name}"] for name in ("codebook", "deep_weight", "latent_weight", "bias"))
        )
        names = ("query", "key", "value", "output", "taps", "bias")
        sizes = cpu.bundle.manifest.sizes
        self.tacn = TacnWeights(
            *(t[f"tacn.{name}"] for name in names),
            t["head.weight"],
            t["head.bias"],
            sizes.heads,
            sizes.dilations,
        )
        self.pasts: dict[native.Stream, TacnPast] = {}
        self.fails_after: int | None = None

    def tokens(self, segments: Floats, levels: Floats) -> tuple[Floats, Floats]:
        assert len(segments) <= self.largest_batch
        features = self.front_end(segments, levels)
        codes = nearest_codes(features.latent.astype(np.float64), self.fusion.codebook)
        token = fuse(self.fusion, features.deep.astype(np.float64), codes)
        return token.astype(np.float32), features.level

    def step(
        self, streams: Sequence[native.Stream], begins: Sequence[bool], tokens: Floats
    ) -> Floats:
        logits = []
        for stream, begin, token in zip(streams, begins, tokens, strict=True):
            if begin:
                self.pasts[stream] = TacnPast(self.tacn)
            logits.append(tacn_step(self.tacn, token.astype(np.float64), self.pasts[stream]))
        if self.fails_after is not None:
            self.fails_after -= len(streams)
            if self.fails_after < 0:
                raise edgeser.BackendError("it is enough")
        return np.array(logits, np.float32)

    @contextmanager
    def turn(self, _streams: object, _hops: object) -> Iterator[None]:
        before = dict(self.pasts)
        kept = {stream: deepcopy(past.inputs) for stream, past in before.items()}
        try:
            yield
        except BaseException:
            self.pasts = before
            for stream, inputs in kept.items():
                before[stream].inputs = inputs
            raise


def sound(seed: int) -> Floats:
    """Speech, a pause that ends a sequence, speech."""
    parts = [speech_like(1.3, seed=seed), np.zeros(14 * HOP, np.float32)]
    return np.concatenate([*parts, speech_like(1.3, seed=seed + 10)])


def heard(result: Any) -> npt.NDArray[np.float64]:
    frames = [edgeser.EmotionFrame(*frame) for frame in result[0]]
    return np.array([[f.speech, *f.probabilities.values()] for f in frames])


@pytest.fixture
def cpu(toy_path: Path) -> Engine:
    return Engine(read_bundle(toy_path))


def fresh(cpu: Engine, count: int) -> list[native.Stream]:
    from edgeser.native import kernels

    return [kernels().Stream(cpu.core, 16_000) for _ in range(count)]


def test_frames_are_those_of_the_cpu_whatever_batch_a_stream_is_in(cpu: Engine) -> None:
    sounds = [sound(seed)[: (30 - seed) * HOP] for seed in range(4)]
    found = take_turn(cpu.core, fresh(cpu, 4), sounds, "process", InNumpy(cpu))
    wanted = cpu.process(fresh(cpu, 4), sounds)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(heard(one), heard(other), rtol=0, atol=1e-4)


def test_a_turn_that_fails_never_was(cpu: Engine) -> None:
    device, streams, one = InNumpy(cpu), fresh(cpu, 1), sound(1)
    (first,) = take_turn(cpu.core, streams, [one[: 5 * HOP]], "process", device)
    device.fails_after = 3
    with pytest.raises(edgeser.BackendError, match="it is enough"):
        take_turn(cpu.core, streams, [one[5 * HOP :]], "process", device)
    device.fails_after = None
    (rest,) = take_turn(cpu.core, streams, [one[5 * HOP :]], "process", device)
    (last,) = take_turn(cpu.core, streams, None, "flush", device)
    wanted = fresh(cpu, 1)
    (whole,) = cpu.process(wanted, [one])
    np.testing.assert_allclose(
        np.concatenate([heard(first), heard(rest)]), heard(whole), rtol=0, atol=1e-4
    )
    np.testing.assert_allclose(heard(last), heard(cpu.flush(wanted[0])), rtol=0, atol=1e-4)


@pytest.mark.parametrize("chunk", [None, np.float32(1), np.zeros(0, np.float32), [0.1]])
def test_bad_chunks_are_named_before_the_device_is_asked(cpu: Engine, chunk: Any) -> None:
    device, streams = InNumpy(cpu), fresh(cpu, 1)
    with pytest.raises(edgeser.AudioError):
        take_turn(cpu.core, streams, [chunk], "process", device)
    assert not device.pasts
