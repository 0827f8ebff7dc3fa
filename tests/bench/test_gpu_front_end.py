"""bench/gpu without a GPU: the front end's kernels beside PyTorch, and kernels compiled ahead."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

from bench.gpu import features
from bench.gpu.ahead_of_time import AheadOfTime
from bench.gpu.harness import Harness
from bench.gpu.plan import AHEAD, ON_DEVICE
from bench.worker import AbsentError
from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cuda.front_end_shape import front_end_model
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from tests.backends.cuda.fake import FakeDevice, make_index
from tests.backends.cuda.interpreted import Interpreting, make_full_index
from tests.kernels.tensor_cores import interpreted
from tests.sounds import speech_like


@pytest.mark.usefixtures("quick_compile")
def test_a_front_end_is_measured_beside_peers_that_agree(harness: Harness) -> None:
    with interpreted():
        result = features.measure(harness, 2)
    assert list(result["absent"]) == [AHEAD], result["absent"]
    assert {n.removesuffix(ON_DEVICE) for n in result["seconds"]} == {
        *("edgeser JIT", "edgeser JIT bfloat16", "PyTorch in a CUDA graph", "torch.compile")
    }
    json.dumps(result)


def test_the_peer_reads_harmonics_too() -> None:
    """The bundled model's front end in PyTorch equals the CPU's."""
    bundle = read_bundle(DEFAULT_BUNDLE)
    model = front_end_model(bundle)
    assert model is not None
    sound = speech_like(0.4)[None, : model.segment].copy()
    levels = np.full(1, -40, np.float32)
    found = features.Peer(model, torch.device("cpu"))(*map(torch.from_numpy, (sound, levels)))
    for one, other in zip(found, Engine(bundle).front_end(sound, levels), strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=1e-4 * np.abs(other).max())


class Patient(FakeDevice):
    """Records the addresses of tensors and computes nothing."""

    def synchronize(self) -> None:
        self._queue.clear()


class PatientAll(Patient, Interpreting):
    """The same with the front end's kernels."""


def test_compiled_kernels_are_given_the_tensors_by_name(toy_path: Path, tmp_path: Path) -> None:
    bundle = read_bundle(toy_path)
    make_index(tmp_path, bundle)
    harness = Harness(bundle, tmp_path, torch.device("cpu"))
    device = Patient(harness.tacn, harness.vq)
    ahead = AheadOfTime(harness, lambda: device)
    rows = torch.arange(5, dtype=torch.int32)
    floats, states = torch.zeros(5, 64), torch.zeros(5, harness.tacn.block_bytes, dtype=torch.uint8)
    ahead.tacn_step(floats, states, rows, floats).call()
    ahead.vq_fusion(floats, floats, floats, rows).call()
    assert device.launches == 2
    assert {symbol for symbol, _, _ in device.log} == {"tacn_step", "vq_fusion"}
    make_full_index(tmp_path, bundle)
    ahead = AheadOfTime(harness, lambda: PatientAll(harness.tacn, harness.vq, silent=True))
    ahead.front_end(floats, floats, floats, floats, floats).call()
    with pytest.raises(AbsentError, match="no kernels were compiled"):
        AheadOfTime(Harness(bundle, None, torch.device("cpu")))
