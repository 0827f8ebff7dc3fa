"""Kernel launches without Triton: code for the device, arguments, named errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser.backends.cuda.index import Index, write_index
from edgeser.backends.cuda.launcher import Kernels
from edgeser.bundle import Bundle
from edgeser.errors import BackendError, DeviceError
from tests.backends.cuda.fake import fake_device, make_index


@pytest.mark.parametrize(
    ("rows", "programs", "threads"),
    [(1, 1, 64), (4, 4, 64), (5, 2, 256), (16, 4, 256), (64, 16, 256)],
)
def test_programs_fill_the_device_once(
    toy_bundle: Bundle, toy_index: Index, rows: int, programs: int, threads: int
) -> None:
    device = fake_device(toy_bundle)  # 4 multiprocessors
    kernels = Kernels(device, toy_index, toy_bundle)
    sizes = toy_bundle.manifest.sizes
    shapes = {
        "deep": (rows, sizes.deep),
        "latent": (rows, sizes.positions, sizes.code_width),
        "tokens": (rows, sizes.width),
        "codes": (rows, sizes.positions),
    }
    memory = {name: device.allocate(4 * int(np.prod(shape))) for name, shape in shapes.items()}
    kernels.load(rows)
    kernels.launch("vq_fusion", rows, {name: m.address for name, m in memory.items()})
    assert device.log == [("vq_fusion", programs, threads)]
    device.synchronize()
    deep, latent = (np.zeros(shapes[name], np.float32) for name in ("deep", "latent"))
    tokens, codes = edgeser_vq(toy_bundle, deep, latent)
    found = device.view(memory["tokens"].address, np.float32, *shapes["tokens"])
    np.testing.assert_allclose(found, tokens, atol=1e-6)
    np.testing.assert_array_equal(
        device.view(memory["codes"].address, np.int32, *shapes["codes"]), codes
    )


def edgeser_vq(
    bundle: Bundle, deep: np.ndarray, latent: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    from edgeser._kernels import VQFusion

    names = ("codebook", "deep_weight", "latent_weight", "bias")
    return VQFusion(*(bundle.tensors[f"vq.{name}"] for name in names))(deep, latent)


def test_kernels_for_another_model_are_refused(toy_bundle: Bundle, tmp_path: Path) -> None:
    index = make_index(tmp_path, toy_bundle)
    other = replace(index, sizes={**index.sizes, "width": 48})
    with pytest.raises(BackendError, match=r"compiled for width 48.*edgeser compile"):
        Kernels(fake_device(toy_bundle), other, toy_bundle)


@pytest.mark.parametrize("capability", [(7, 5), (8, 7), (12, 0)])
def test_devices_without_code_are_refused(
    toy_bundle: Bundle, toy_index: Index, capability: tuple[int, int]
) -> None:
    device = fake_device(toy_bundle)
    device.capability = capability
    with pytest.raises(BackendError, match=rf"not compiled.*{capability[0]}\.{capability[1]}"):
        Kernels(device, toy_index, toy_bundle)


def test_precisions_without_code_are_refused(toy_bundle: Bundle, toy_index: Index) -> None:
    with pytest.raises(BackendError, match="not compiled in fp16"):
        Kernels(fake_device(toy_bundle), toy_index, toy_bundle, "fp16")


def test_ptx_takes_the_place_of_code(toy_bundle: Bundle, tmp_path: Path) -> None:
    index = make_index(tmp_path, toy_bundle)
    kernels = {
        name: replace(k, variants=tuple(replace(v, target="ptx_80") for v in k.variants))
        for name, k in index.kernels.items()
    }
    newer = replace(index, kernels=kernels)
    write_index(newer)
    device = fake_device(toy_bundle)
    device.capability = (12, 1)
    Kernels(device, newer, toy_bundle).load(1)


def test_damaged_code_is_refused(toy_bundle: Bundle, tmp_path: Path) -> None:
    index = make_index(tmp_path, toy_bundle)
    (tmp_path / "tacn_step-1.cubin").write_bytes(b"code of tacn_stop")
    with pytest.raises(BackendError, match="damaged or altered"):
        Kernels(fake_device(toy_bundle), index, toy_bundle).load(1)


@pytest.mark.parametrize("fault", ["allocate", "copy_in", "synchronize"])
def test_a_device_that_takes_no_weights_is_named(
    toy_bundle: Bundle, toy_index: Index, fault: str
) -> None:
    device = fake_device(toy_bundle)
    device.fails = {fault}
    with pytest.raises(DeviceError, match="fake GPU"):
        Kernels(device, toy_index, toy_bundle)
    assert issubclass(DeviceError, edgeser.BackendError)
