"""Written bundles are deterministic, complete and readable."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser.bundle import read_bundle, write_bundle
from tests import toy


def test_the_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    one = toy.write(tmp_path / "one.edgeser").read_bytes()
    shuffled = dict(reversed(toy.manifest().items()))
    tensors = dict(reversed(toy.tensors().items()))
    write_bundle(tmp_path / "two.edgeser", shuffled, toy.frontend(), tensors)
    assert (tmp_path / "two.edgeser").read_bytes() == one


def test_what_is_written_is_read(tmp_path: Path) -> None:
    tensors = toy.tensors()
    path = tmp_path / "toy.edgeser"
    digest = write_bundle(path, toy.manifest(version="7.1"), toy.frontend(), tensors)
    bundle = read_bundle(path)
    assert bundle.hash == digest
    assert bundle.manifest.version == "7.1"
    assert bundle.frontend == toy.frontend()
    assert bundle.tensors.keys() == tensors.keys()
    assert all((bundle.tensors[name] == tensors[name]).all() for name in tensors)
    assert edgeser.load(path).hash == digest


def test_it_is_a_plain_zip_with_a_hash_for_a_name(toy_path: Path) -> None:
    with zipfile.ZipFile(toy_path) as archive:
        names = archive.namelist()
        assert names == ["manifest.json", "frontend.onnx", "kernels.safetensors"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        digest = hashlib.sha256(archive.read("manifest.json")).hexdigest()
        assert archive.comment == b"edgeser sha256:" + digest.encode()


def test_nothing_wrong_is_written(tmp_path: Path) -> None:
    path = tmp_path / "toy.edgeser"
    tensors = toy.tensors()
    tensors["head.bias"] = np.full(4, np.nan, np.float32)
    with pytest.raises(edgeser.BundleError, match=r"head\.bias holds NaN"):
        write_bundle(path, toy.manifest(), toy.frontend(), tensors)
    with pytest.raises(edgeser.BundleError, match="labels"):
        write_bundle(path, toy.manifest(labels=[]), toy.frontend(), toy.tensors())
    with pytest.raises(edgeser.BundleError, match="ONNX"):
        write_bundle(path, toy.manifest(), b"\xff", toy.tensors())
    with pytest.raises(edgeser.BundleError, match="JSON"):
        write_bundle(path, toy.manifest(training={1.0, 2.0}), toy.frontend(), toy.tensors())
    assert list(tmp_path.iterdir()) == []


def test_an_old_bundle_survives_a_failed_write(toy_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "toy.edgeser"
    path.write_bytes(toy_path.read_bytes())
    with pytest.raises(edgeser.BundleError):
        write_bundle(path, toy.manifest(), b"", toy.tensors())
    assert path.read_bytes() == toy_path.read_bytes()
