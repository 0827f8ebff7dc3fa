"""The front end's GPU kernels: selection, launch in the graph, comparison with the CPU.

The kernels are interpreted on the memory of a fake GPU.
"""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import triton

import edgeser
from edgeser.backends.cpu.engine import Engine
from edgeser.backends.cuda import factory, front_end
from edgeser.backends.cuda.factory import open_auto, open_cuda
from edgeser.backends.cuda.front_end import ON_GPU
from edgeser.backends.cuda.index import Index, read_index, write_index
from edgeser.backends.cuda.own_front_end import OwnFrontEnd, find_kernels
from edgeser.backends.cuda.probe import probe
from edgeser.backends.cuda.runtime import OnDevice
from edgeser.backends.cuda.shapes import PRECISIONS
from edgeser.backends.cuda.staging import make_scratch
from edgeser.backends.cuda.targets import TARGETS, resolve
from edgeser.backends.tensorrt import Flavour
from edgeser.bundle import Bundle, read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE, kernels_folder
from edgeser.model import Model
from tests import toy
from tests.backends.cuda.fake import NO_FRONT_END, fake_device
from tests.backends.cuda.interpreted import Interpreting, interpreting_device, make_full_index
from tests.backends.cuda.test_engine import HOP, assert_close
from tests.sounds import speech_like

pytestmark = pytest.mark.skipif(
    not triton.knobs.runtime.interpret, reason="the kernels are compiled here: test_real.py"
)


@pytest.fixture(scope="module")
def full_index(toy_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Index:
    return make_full_index(tmp_path_factory.mktemp("full"), toy_bundle)


@pytest.fixture(autouse=True)
def no_tensorrt(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here() -> Flavour:
        raise edgeser.BackendError("no TensorRT here")

    monkeypatch.setattr(front_end, "find_flavour", none_here)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_whole_hops_on_the_gpu(
    toy_bundle: Bundle,
    toy_model: edgeser.Model,
    full_index: Index,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Streams of different ages share a batch; each gets the CPU's results."""
    monkeypatch.setattr(factory, "_TRIAL_HOPS", 2)  # each takes a second
    device = interpreting_device(toy_bundle)
    engine = open_cuda(toy_bundle, full_index.folder, "float32", open_device=lambda: device)
    assert engine.runtime.front_end.title == ON_GPU == "the GPU"
    assert isinstance(engine.runtime.front_end, OnDevice)
    assert not caplog.records
    pool = Model(engine).pool()
    sounds = [speech_like(1.0, seed=i) for i in range(3)]
    members = [pool.stream(16_000) for _ in sounds]
    heard: list[list[edgeser.EmotionFrame]] = [[] for _ in sounds]
    for count in (1, 3):
        part = {members[i]: sounds[i][HOP * len(heard[i]) :][:HOP] for i in range(count)}
        for i, frames in enumerate(pool.process(part).values()):
            heard[i] += frames
    assert [len(frames) for frames in heard] == [2, 1, 1]
    for frames, sound in zip(heard, sounds, strict=True):
        assert_close(frames, toy_model.stream(16_000).process(sound[: HOP * len(frames)]))
    # One after the other, as often as the two lookups are recorded and launched, and tried.
    order = ["spectrum", "running_level", "convolution", "convolution", "convolution"]
    named = [symbol for symbol, _, _ in device.log if symbol != "tacn_step"]
    assert named[: len(order)] == order
    assert named[-len(order) - 1 :] == [*order, "vq_fusion"]
    del engine, pool, members, part
    gc.collect()
    assert device.allocated == 0


def test_the_shipped_front_end(tmp_path: Path) -> None:
    """All layers of the bundled model, once."""
    bundle = read_bundle(DEFAULT_BUNDLE)
    device = interpreting_device(bundle)
    own = OwnFrontEnd(device, make_full_index(tmp_path, bundle), bundle)
    sizes = bundle.manifest.sizes
    arrays = {
        "segment": speech_like(1.0)[None, : sizes.segment].copy(),
        "level": np.full(1, -40, np.float32),
        "deep": np.zeros((1, sizes.deep), np.float32),
        "latent": np.zeros((1, sizes.positions, sizes.code_width), np.float32),
        "level_out": np.zeros(1, np.float32),
    }
    addresses, owner = make_scratch(device, {n: (a.shape, np.float32) for n, a in arrays.items()})
    for name in ("segment", "level"):
        device.copy_in(addresses[name], arrays[name].view(np.uint8).reshape(-1))
    enqueue = own.prepare(1, addresses)
    enqueue(device.stream)
    device.synchronize()
    wanted = Engine(bundle).front_end(arrays["segment"], arrays["level"])
    for name, one in (
        ("deep", wanted.deep),
        ("latent", wanted.latent),
        ("level_out", wanted.level),
    ):
        found = device.view(addresses[name], np.float32, *one.shape)
        np.testing.assert_allclose(found, one, rtol=0, atol=1e-5 * np.abs(one).max())
    del owner, enqueue


def damage(folder: Path) -> None:
    (folder / "convolution-64.cubin").write_bytes(b"code of convolution 65")


def take_away(folder: Path) -> None:
    index = read_index(folder)
    two = {name: index.kernels[name] for name in ("vq_fusion", "tacn_step")}
    write_index(replace(index, kernels=two))


def pack_otherwise(folder: Path) -> None:
    index = read_index(folder)
    one = index.kernels["convolution"]
    other = replace(one, constants={**one.constants, "BLOCK_DEPTH": 64})
    write_index(replace(index, kernels={**index.kernels, "convolution": other}))


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (damage, "convolution-64.cubin: is damaged or altered"),
        (
            take_away,
            "the compiled kernels do not include the front end: run `edgeser compile` again",
        ),
        (pack_otherwise, "convolution was compiled for another layout of the weights"),
        (lambda _: None, "the front end's kernels differ by 1.00 from the CPU on the fake"),
    ],
)
def test_what_cannot_be_used_is_said_and_the_cpu_takes_its_place(
    break_it: Callable[[Path], None],
    said: str,
    toy_bundle: Bundle,
    toy_model: edgeser.Model,
    full_index: Index,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = Path(shutil.copytree(full_index.folder, tmp_path / "kernels"))
    break_it(folder)
    device = interpreting_device(toy_bundle, silent=True)
    engine = open_auto(toy_bundle, folder, "float32", open_device=lambda: device, graph=True)
    assert engine.backend == "cuda"
    (line,) = warnings_of(caplog)
    assert line.startswith("the CPU runs the front end: ")
    assert said in line
    assert line.endswith("; no TensorRT here")
    sound = speech_like(1.0)
    assert_close(
        Model(engine).stream(16_000).process(sound), toy_model.stream(16_000).process(sound)
    )


class FailsAt(Interpreting):
    """Fails for good at the first launch of the front end."""

    def check(self, what: str) -> None:
        if what == "launch" and not self.log:
            self.fails = {"all"}
        super().check(what)


def test_a_gpu_that_fails_is_named_as_ever(toy_bundle: Bundle, full_index: Index) -> None:
    made = interpreting_device(toy_bundle)
    device = FailsAt(made.tacn, made.vq)
    with pytest.raises(edgeser.DeviceError, match="the fake GPU fails to"):
        open_cuda(toy_bundle, full_index.folder, "float32", open_device=lambda: device)


def test_a_model_of_a_graph_alone_has_none(
    full_index: Index, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = read_bundle(toy.write(tmp_path / "graph.edgeser", layers=False))
    device = interpreting_device(bundle)
    engine = open_cuda(bundle, full_index.folder, "float32", open_device=lambda: device, graph=True)
    assert engine.runtime.front_end.title == "the CPU"
    (line,) = warnings_of(caplog)
    assert "the model has its front end only as an ONNX graph; no TensorRT here" in line


def test_the_doctor_says_so(toy_bundle: Bundle, full_index: Index, tmp_path: Path) -> None:
    def look(folder: Path) -> tuple[str, str | None]:
        found = probe(
            toy_bundle,
            folder,
            "float32",
            open_device=lambda: fake_device(toy_bundle),
            graph=True,
        )
        assert found.backend == "cuda"
        return found.front_end, found.problems.get("front_end")

    assert look(full_index.folder) == (ON_GPU, None)
    folder = Path(shutil.copytree(full_index.folder, tmp_path / "kernels"))
    take_away(folder)
    where, why = look(folder)
    assert where == "the CPU"
    assert why == f"{NO_FRONT_END}no TensorRT here"


@pytest.mark.parametrize("target", resolve(TARGETS))
def test_the_bundled_kernels_have_it_for_every_device(target: str) -> None:
    digits = target.partition("_")[2]
    capability = (int(digits[:-1]), int(digits[-1]))
    bundle, index = read_bundle(DEFAULT_BUNDLE), read_index(kernels_folder(DEFAULT_BUNDLE))
    _, variants = find_kernels(bundle, index, PRECISIONS[0], capability)
    for name, some in variants.items():
        assert [v.block_rows for v in some] == ([1] if name == "running_level" else [16, 32])
        assert all(index.read(v) for v in some)
