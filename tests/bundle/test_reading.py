"""Invalid bundles are refused; the error names the file and the reason."""

from __future__ import annotations

import os
import socket
import sys
import tracemalloc
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgeser
from edgeser.bundle import read_bundle
from tests import native, toy
from tests.bundle import graphs
from tests.bundle.broken import BROKEN, ONLY_RUNNING_SHOWS
from tests.bundle.damage import bomb, with_graph
from tests.swapped import read_again_and_again


@pytest.fixture(scope="module")
def graph_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose front end is an ONNX graph alone."""
    return toy.write(tmp_path_factory.mktemp("graph") / "graph.edgeser", layers=False)


IN_BOTH = pytest.mark.parametrize(
    "language",
    ["Python", pytest.param("C", marks=pytest.mark.slow)],  # builds the C library
)


@pytest.mark.parametrize("name", BROKEN)
@IN_BOTH
def test_it_is_refused_by_name(graph_path: Path, tmp_path: Path, name: str, language: str) -> None:
    break_it, message = BROKEN[name]
    path = tmp_path / "broken.edgeser"
    path.write_bytes(break_it(graph_path.read_bytes()))
    if language == "C" and name in ONLY_RUNNING_SHOWS:
        pytest.skip("nothing executes a graph in C")
    load = partial(edgeser.load, allow_onnx=True) if language == "Python" else native.open_model
    with pytest.raises(edgeser.BundleError, match=rf"broken\.edgeser: .*({message})") as refused:
        load(path)
    assert len(str(refused.value)) < 1_000


@IN_BOTH
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, language: str) -> None:
    fifo = tmp_path / "fifo.edgeser"
    os.mkfifo(fifo)
    read = read_bundle if language == "Python" else native.open_model
    for path in (fifo, Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(edgeser.BundleError, match="is a pipe, a device or a socket"):
            read(path)


@pytest.mark.skipif(sys.platform == "win32", reason="has no pipes in folders")
@IN_BOTH
def test_a_pipe_that_takes_the_files_place_is_not_waited_for(
    toy_path: Path, tmp_path: Path, language: str
) -> None:
    path = tmp_path / "toy.edgeser"
    path.write_bytes(toy_path.read_bytes())
    load = read_bundle if language == "Python" else native.open_model
    load(path)  # the first call may build the library, which takes longer than the limit

    def read() -> bool:
        try:
            load(path)
        except edgeser.BundleError as error:
            assert "is a pipe" in str(error)  # noqa: PT017
            return False
        return True

    read_again_and_again(path, read)


@pytest.mark.skipif(sys.platform == "win32", reason="has no sockets in folders")
def test_a_socket_is_no_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as here:
        here.bind("m.edgeser")
        with pytest.raises(edgeser.BundleError, match="is a pipe, a device or a socket"):
            edgeser.load("m.edgeser")


def test_a_path_with_a_nul_is_named() -> None:
    with pytest.raises(edgeser.BundleError, match="goes on after a NUL"):
        edgeser.load("toy\0.edgeser")


@pytest.mark.parametrize("layers", [True, False])
def test_a_graph_without_an_end_is_not_run(tmp_path: Path, layers: bool) -> None:
    """4 TiB if it is executed: this needs permission, and with layers it is not executed."""
    path = toy.write(tmp_path / "m.edgeser", layers=layers)
    path.write_bytes(with_graph(graphs.fill)(path.read_bytes()))
    assert read_bundle(path).frontend
    if layers:
        assert edgeser.load(path).name == "toy"
    else:
        with pytest.raises(edgeser.BundleError, match="allow_onnx=True"):
            edgeser.load(path)


def test_a_graph_alone_runs_only_where_it_is_allowed(graph_path: Path) -> None:
    with pytest.raises(edgeser.BundleError, match="allow_onnx=True"):
        edgeser.load(graph_path)
    assert edgeser.load(graph_path, allow_onnx=True).name == "toy"


def test_the_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.edgeser"
    path.write_bytes(b"no")
    with pytest.raises(edgeser.BundleError, match=r"broken\.edgeser"):
        edgeser.load(path)
    with pytest.raises(edgeser.BundleError, match="no such file"):
        edgeser.load(tmp_path / "missing.edgeser")
    with pytest.raises(edgeser.BundleError, match="is a folder"):
        edgeser.load(tmp_path)


def test_a_bomb_is_not_unpacked(toy_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "bomb.edgeser"
    path.write_bytes(bomb(toy_path.read_bytes()))
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    try:
        with pytest.raises(edgeser.BundleError):
            read_bundle(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def test_an_enormous_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "enormous.edgeser"
    with path.open("wb") as file:
        file.truncate(600 << 20)
    with pytest.raises(edgeser.BundleError, match="a bundle has at most"):
        read_bundle(path)


@given(data=st.data())
@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_changed_byte_is_noticed_or_harmless(
    toy_path: Path, tmp_path: Path, data: st.DataObject
) -> None:
    whole = toy_path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    value = data.draw(st.integers(0, 255))
    path = tmp_path / "changed.edgeser"
    path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
    try:
        bundle = read_bundle(path)
    except edgeser.BundleError:
        return
    # Dates and permissions in the zip's own headers mean nothing here: the contents must be equal.
    good = read_bundle(toy_path)
    assert (bundle.hash, bundle.frontend) == (good.hash, good.frontend)
    assert all((bundle.tensors[name] == good.tensors[name]).all() for name in good.tensors)


@given(cut=st.integers(min_value=0, max_value=140_000))
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_truncation_is_noticed(toy_path: Path, tmp_path: Path, cut: int) -> None:
    whole = toy_path.read_bytes()
    path = tmp_path / "cut.edgeser"
    path.write_bytes(whole[: min(cut, len(whole) - 1)])
    with pytest.raises(edgeser.BundleError):
        read_bundle(path)


def test_an_older_exporters_inputs_are_understood(tmp_path: Path) -> None:
    """Some exporters list initialisers among the inputs; these are not fed."""
    model = toy.build_frontend()
    for tensor in model.graph.initializer:
        value = toy.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(value)
    path = tmp_path / "old.edgeser"
    toy.write_bundle(path, toy.manifest(), model.SerializeToString(), toy.tensors())
    assert read_bundle(path).manifest.name == "toy"


@pytest.mark.parametrize(
    ("before", "after"), [(b"xxxx", b""), (b"", b"xxxx"), (b"#!/bin/sh\n", b"")]
)
def test_nothing_may_stand_before_or_after(
    toy_path: Path, tmp_path: Path, before: bytes, after: bytes
) -> None:
    path = tmp_path / "longer.edgeser"
    path.write_bytes(before + toy_path.read_bytes() + after)
    with pytest.raises(edgeser.BundleError, match=r"longer\.edgeser"):
        edgeser.load(path)


def test_what_is_no_path_is_named() -> None:
    with pytest.raises(edgeser.BundleError, match="by its path, not by int"):
        edgeser.load(5)  # type: ignore[arg-type]
