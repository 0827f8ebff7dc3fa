"""A front end's layers in a bundle: same results as its graph; invalid layers are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgeser
from edgeser._kernels import Core
from edgeser.backends.cpu.front_end import OnnxFrontEnd
from edgeser.bundle import Bundle, read_bundle
from tests import toy
from tests.bundle.damage import with_manifest, with_tensors

DEFAULT = Path(edgeser.__file__).parent / "models" / "default.edgeser"
RESEARCH = Path(__file__).parents[2] / "models" / "research" / "research.edgeser"


def onnx(bundle: Bundle) -> OnnxFrontEnd:
    pytest.importorskip("onnxruntime")  # there is none for every Python and machine
    return OnnxFrontEnd(bundle.frontend, bundle.manifest.sizes, bundle.manifest.level_initial)


@pytest.mark.parametrize("path", [DEFAULT, RESEARCH], ids=lambda p: p.stem)
def test_the_kernel_equals_the_graph(path: Path) -> None:
    bundle = read_bundle(path)
    native = Core(bundle.contents).front_end
    assert native is not None
    rng = np.random.default_rng(0)
    gains = 10.0 ** rng.uniform(-4, 0, (40, 1))
    segments = (gains * rng.standard_normal((40, bundle.manifest.sizes.segment))).astype(np.float32)
    levels = rng.uniform(-70, 0, 40).astype(np.float32)
    levels[::7] = bundle.manifest.level_initial
    deep, latent, level = native(segments, levels)
    theirs = onnx(bundle)(segments, levels)
    np.testing.assert_allclose(level, theirs.level, atol=1e-4)
    np.testing.assert_allclose(latent, theirs.latent, atol=1e-4)
    np.testing.assert_allclose(deep, theirs.deep, rtol=1e-4, atol=1e-4)


def test_a_bundle_without_layers_runs_its_graph(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = toy.write(tmp_path / "graph.edgeser", layers=False)
    assert read_bundle(path).manifest.network is None
    model = edgeser.load(path, allow_onnx=True)
    assert isinstance(model._engine.front_end, OnnxFrontEnd)


def other_shape(tensors: dict[str, Any]) -> None:
    name = "frontend.wide.1.weight"
    tensors[name] = np.ascontiguousarray(tensors[name][:, :, :-1])


def other_code_width(tensors: dict[str, Any]) -> None:
    for name in ("frontend.encoder.2.weight", "frontend.encoder.2.bias"):
        tensors[name] = np.ascontiguousarray(tensors[name][..., :-1])


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no object": (with_manifest("frontend", 3), "frontend must be an object"),
    "no body": (with_manifest("frontend", "wide", None), "frontend.wide must be a list"),
    "no layer": (with_manifest("frontend", "wide", 0, 7), r"frontend.wide\[0\] must be an object"),
    "half a stride": (
        with_manifest("frontend", "wide", 0, "stride", [1]),
        r"frontend.wide\[0\].stride must be two whole numbers from 1 to 64",
    ),
    "true as a stride": (
        with_manifest("frontend", "wide", 0, "stride", [True, 1]),
        r"frontend.wide\[0\].stride must be two",
    ),
    "a word as a window": (
        with_manifest("frontend", "spectrogram", "window", "long"),
        "frontend.spectrogram.window must be a whole number",
    ),
    "a broken window": (
        with_manifest("frontend", "harmonics", "window", 1024.5),
        "harmonics.window must be a whole number",
    ),
    "no level": (with_manifest("normalisation", "rise", None), "normalisation.rise must be"),
    "a layer too few": (
        with_manifest("frontend", "encoder", []),
        "tensor frontend.encoder.0.bias does not belong",
    ),
    "bands without an end": (
        with_manifest("frontend", "harmonics", "bands_an_octave", 1e-300),
        "frontend: harmonics: the frequency of the highest band must be finite",
    ),
    "another shape": (with_tensors(other_shape), r"wide\[1\]: takes \d+ channels, and \d+ come in"),
    "another code width": (with_tensors(other_code_width), "deep, positions and code_width"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_odd_layers_are_refused_by_name(tmp_path: Path, name: str) -> None:
    break_it, message = BROKEN[name]
    path = tmp_path / "broken.edgeser"
    path.write_bytes(break_it(DEFAULT.read_bytes()))
    with pytest.raises(edgeser.BundleError, match=message):
        edgeser.load(path)


def test_a_graph_that_nobody_runs_is_not_read(tmp_path: Path) -> None:
    damaged = bytearray(DEFAULT.read_bytes())
    damaged[1 << 20] ^= 1  # within the graph, which comes before the tensors
    path = tmp_path / "damaged.edgeser"
    path.write_bytes(damaged)
    with pytest.raises(edgeser.BundleError, match=r"frontend\.onnx"):
        read_bundle(path)
    assert read_bundle(path, graph=False).frontend == b""
    assert edgeser.load(path).hash == edgeser.load().hash


def test_a_bundle_without_layers_has_its_graph_read(tmp_path: Path) -> None:
    path = toy.write(tmp_path / "graph.edgeser", layers=False)
    assert read_bundle(path, graph=False).frontend == read_bundle(path).frontend != b""


def test_the_toys_layers_equal_its_graph(toy_path: Path) -> None:
    test_the_kernel_equals_the_graph(toy_path)
