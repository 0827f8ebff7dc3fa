"""The engine cache: an engine is rebuilt when its graph, device or software has changed."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from edgeser.backends.tensorrt import Batches, EngineCache, Flavour, build
from edgeser.backends.tensorrt.cache import _LENGTH, _MAGIC, Origin, pack_engine, read_engine
from edgeser.errors import BackendError
from tests import toy

ORIGIN = Origin(
    flavour="tensorrt_rtx",
    version="1.7.1.116",
    target="8.6",
    platform="linux-x86_64",
    model="ab" * 32,
    precision="fp16",
    graph="cd" * 32,
    usual_batch=1,
    most_batch=64,
)
ENGINE = bytes(range(256)) * 9


class Builder:
    def __init__(self, engine: bytes = ENGINE) -> None:
        self.engine, self.calls = engine, 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.engine


def test_an_engine_is_built_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    builder = Builder()
    for _ in range(3):
        cache = EngineCache(tmp_path / "deep" / "cache")
        assert cache.get(ORIGIN, builder) == ENGINE
    assert builder.calls == 1
    assert not caplog.records
    assert [p.name for p in cache.folder.iterdir()] == [ORIGIN.file_name]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "1.8.0.1"}, "version 1.7.1.116, here is 1.8.0.1"),
        ({"graph": "ee" * 32}, "graph cdcdcdcdcdcd, here is eeeeeeeeeeee"),
        ({"platform": "linux-aarch64"}, "platform linux-x86_64, here is linux-aarch64"),
        ({"most_batch": 128}, "most batch 64, here is 128"),
        ({"model": "ab" * 31 + "ff"}, "model"),
    ],
)
def test_a_stale_engine_is_replaced_and_one_line_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, str], said: str
) -> None:
    cache = EngineCache(tmp_path)
    cache.get(ORIGIN, Builder(b"old"))
    fresh, builder = replace(ORIGIN, **change), Builder()
    assert cache.get(fresh, builder) == ENGINE
    assert cache.get(fresh, builder) == ENGINE
    assert builder.calls == 1
    (record,) = caplog.records
    assert said in record.getMessage()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("change", [{"precision": "int8"}, {"target": "8.9"}, {"model": "77" * 32}])
def test_devices_precisions_and_models_lie_beside_each_other(
    tmp_path: Path, change: dict[str, str]
) -> None:
    cache = EngineCache(tmp_path)
    cache.get(ORIGIN, Builder())
    cache.get(replace(ORIGIN, **change), Builder(b"other"))
    again = Builder()
    assert cache.get(ORIGIN, again) == ENGINE
    assert again.calls == 0


GOOD = pack_engine(ORIGIN, ENGINE)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not an engine stored by edgeser"),
        (b"vtrt" + bytes(60), "not an engine stored by edgeser"),
        (GOOD[:10], "not an engine stored by edgeser"),
        (GOOD[:60], "cut short"),
        (GOOD[:-1], "cut short"),
        (GOOD + b"x", "cut short"),
        (GOOD[:-1] + b"\x00", "damaged"),
        (GOOD.replace(b'"format": 1', b'"format": 9'), "another version"),
        (GOOD.replace(b'{"bytes"', b'["bytes"'), "header is damaged"),
        (_MAGIC + _LENGTH.pack(60_000) + b"[" * 60_000, "header is damaged"),
    ],
)
def test_foreign_and_damaged_files_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        read_engine(data, ORIGIN)
    (tmp_path / ORIGIN.file_name).write_bytes(data)
    assert EngineCache(tmp_path).get(ORIGIN, Builder()) == ENGINE
    assert said in caplog.text
    assert read_engine((tmp_path / ORIGIN.file_name).read_bytes(), ORIGIN) == ENGINE


posix = pytest.mark.skipif(sys.platform == "win32", reason="a folder there is its user's own")


def _kept(folder: Path) -> EngineCache:
    cache = EngineCache(folder)
    cache.get(ORIGIN, Builder())
    return cache


@posix
@pytest.mark.parametrize("what", ["folder", "file"])
def test_what_others_may_write_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    cache = _kept(tmp_path / "cache")
    path = cache.folder if what == "folder" else cache.folder / ORIGIN.file_name
    path.chmod(0o777)
    assert not cache.has(ORIGIN)
    builder = Builder(b"my own")
    assert cache.get(ORIGIN, builder) == b"my own"
    assert "chmod go-w" in caplog.text
    assert ("cannot be kept" in caplog.text) == (what == "folder")
    assert cache.has(ORIGIN) == (what == "file")


@posix
def test_what_belongs_to_another_user_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = _kept(tmp_path / "cache")
    other = 1 if os.geteuid() == 0 else os.geteuid() + 1
    if os.geteuid() == 0:
        os.chown(cache.folder / ORIGIN.file_name, other, other)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: other)
    assert cache.get(ORIGIN, Builder(b"my own")) == b"my own"
    assert "belongs to another user" in caplog.text


@posix
def test_links_pipes_and_devices_are_not_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = _kept(tmp_path / "elsewhere").folder / ORIGIN.file_name
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    path = folder / ORIGIN.file_name
    path.symlink_to(elsewhere)
    assert EngineCache(folder).get(ORIGIN, Builder(b"my own")) == b"my own"
    assert "it is a link" in caplog.text
    assert not path.is_symlink()
    assert elsewhere.read_bytes() == pack_engine(ORIGIN, ENGINE)
    path.unlink()
    os.mkfifo(path)
    assert not EngineCache(folder).has(ORIGIN)  # and it does not wait
    assert EngineCache(folder).get(ORIGIN, Builder(b"my own")) == b"my own"
    assert "not a regular file" in caplog.text


def test_a_folder_that_cannot_be_made_costs_the_keeping_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    cache, builder = EngineCache(tmp_path / "file" / "cache"), Builder()
    assert cache.get(ORIGIN, builder) == ENGINE
    assert cache.get(ORIGIN, builder) == ENGINE
    assert builder.calls == 2
    assert "cannot be kept" in caplog.text


def test_nothing_is_kept_of_a_failed_build(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise BackendError("no")

    with pytest.raises(BackendError):
        EngineCache(tmp_path).get(ORIGIN, fail)
    assert not list(tmp_path.iterdir())


def test_forgetting_deletes_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = EngineCache(tmp_path)
    cache.get(ORIGIN, Builder())
    cache.forget(ORIGIN, "the driver is older")
    cache.forget(ORIGIN, "the driver is older")
    assert not list(tmp_path.iterdir())
    assert "the driver is older" in caplog.text


def test_the_origin_of_a_real_engine(
    rtx: Flavour, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    graph, batches = toy.frontend(), Batches(1, 8)
    origin = Origin.of(rtx, graph, batches, (8, 6), "ab" * 32, "fp32")
    assert origin.version == rtx.version
    cache = EngineCache(tmp_path)
    first = cache.get(origin, lambda: build(rtx, graph, batches, target=(8, 6)))
    assert cache.get(origin, Builder()) == first
    other = Origin.of(rtx, toy.frontend(1), batches, (8, 6), "ab" * 32, "fp32")
    assert cache.get(other, Builder()) == ENGINE
    assert "built for graph" in caplog.text


_BUILDS = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.backends.tensorrt.test_cache import ENGINE, ORIGIN
from edgeser.backends.tensorrt import EngineCache

def build():
    sys.stdout.write("building\\n")
    sys.stdout.flush()
    sys.stdin.readline()  # until the other one builds too
    return ENGINE

assert EngineCache(Path(sys.argv[1])).get(ORIGIN, build) == ENGINE
"""


def test_two_processes_that_build_the_same_engine(tmp_path: Path) -> None:
    """Two independent builders: both get an engine, and the cache keeps a complete one."""
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", _BUILDS, str(tmp_path), str(root)]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for one in both:
        assert one.stdout is not None
        assert one.stdout.readline() == "building\n"
    for one in both:
        one.communicate("\n")
    assert [one.returncode for one in both] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == [ORIGIN.file_name]
    builder = Builder()
    assert EngineCache(tmp_path).get(ORIGIN, builder) == ENGINE
    assert builder.calls == 0


def test_a_read_only_cache_costs_the_keeping_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkstemp", read_only)  # root may write in any folder
    assert EngineCache(tmp_path).get(ORIGIN, Builder()) == ENGINE
    assert "cannot be kept" in caplog.text
    assert not list(tmp_path.iterdir())
