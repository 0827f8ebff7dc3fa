"""Near ties of codes, without a GPU: the bounds can fail, and test sounds can avoid ties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cuda.index import Index
from edgeser.bundle import Bundle, read_bundle
from tests.backends.cuda import near
from tests.backends.cuda.fake import fake_device, fake_engine
from tests.sounds import speech_like


@pytest.mark.parametrize("in_graph", [False, True])
def test_steps_are_held_part_by_part(toy_bundle: Bundle, toy_index: Index, in_graph: bool) -> None:
    device = fake_device(toy_bundle)
    engine = fake_engine(toy_bundle, device, toy_index, in_graph=in_graph)
    near.assert_steps(engine, speech_like(1.5), "float32")


@pytest.mark.parametrize("tensor", ["vq.codebook", "vq.deep_weight", "tacn.taps", "head.bias"])
def test_wrong_codes_tokens_and_logits_are_found_out(
    toy_bundle: Bundle, toy_index: Index, tensor: str
) -> None:
    altered = toy_bundle.tensors[tensor].copy()
    if tensor == "vq.codebook":
        altered = altered[::-1].copy()  # another code is the nearest
    else:
        altered += 0.01
    other = toy_bundle._replace(tensors={**toy_bundle.tensors, tensor: altered})
    engine = fake_engine(other, fake_device(other), toy_index, in_graph=False)
    engine._cpu.bundle = toy_bundle
    with pytest.raises(AssertionError):
        near.assert_steps(engine, speech_like(1.5), "float32")


def test_a_vector_between_two_codes_is_no_clear_sound(toy_path: Path) -> None:
    bundle = read_bundle(toy_path)
    sound = speech_like(1.5)
    assert near._margin(bundle, sound, 16_000) > 0
    [found] = near.clear(bundle, lambda seed: speech_like(1.5, seed=seed), 16_000, 1)
    twice = bundle.tensors["vq.codebook"].copy()
    twice[1::2] = twice[: len(twice) - len(twice) % 2 : 2] * np.float32(1 + 1e-7)
    tied = bundle._replace(tensors={**bundle.tensors, "vq.codebook": twice})
    assert Engine(tied).precision == "float32"
    assert near._margin(tied, found, 16_000) < near.NEAR["float32"]
