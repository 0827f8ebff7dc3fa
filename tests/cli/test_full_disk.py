"""A full disk: the error names the file, and earlier data is kept."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

import edgeser
from edgeser.bundle import read_bundle, write_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli import main
from edgeser.files import write_whole

if sys.platform == "win32":
    pytest.skip("there is no limit of a file's size", allow_module_level=True)

from tests.cli.test_tables import room

SAMPLE = DEFAULT_BUNDLE.parents[1] / "samples" / "voices.ogg"


def test_whole_or_as_before(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(b"before")
    with room(1_000), pytest.raises(OSError, match=r"x\.bin") as failed:  # type: ignore[attr-defined]
        write_whole(path, bytes(2_000))
    assert failed.value.filename == str(path)
    assert failed.value.errno == errno.EFBIG
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    write_whole(path, b"after")
    assert path.read_bytes() == b"after"


def test_a_link_stays_one_and_a_pipe_is_written_into(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    write_whole(link, b"sound")
    assert link.is_symlink()
    assert target.read_bytes() == b"sound"
    reading, writing = os.pipe()
    write_whole(f"/dev/fd/{writing}", b"sound")
    assert os.read(reading, 99) == b"sound"
    os.close(reading)
    os.close(writing)
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_whole("/dev/full", b"sound")
    assert Path("/dev/full").is_char_device()


def test_permissions_stay_and_nobody_elses_file_is_touched(tmp_path: Path) -> None:
    path, other = tmp_path / "x.png", tmp_path / "x.png.partial"
    path.write_bytes(b"before")
    other.write_bytes(b"somebody's own")
    path.chmod(0o600)
    write_whole(path, b"after")
    assert path.stat().st_mode & 0o777 == 0o600
    assert other.read_bytes() == b"somebody's own"
    new = tmp_path / "new.png"
    write_whole(new, b"new")
    plain = tmp_path / "plain.png"
    plain.write_bytes(b"as any program does")
    assert new.stat().st_mode == plain.stat().st_mode
    assert len(list(tmp_path.iterdir())) == 4
    write_whole(tmp_path / ("x" * 255), b"a name as long as it may be")


def test_a_file_in_whose_place_nothing_can_be_put_is_written_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mounted.png"
    path.write_bytes(b"before")

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    write_whole(path, b"after")
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match=r"busy: .*new\.png"):
        write_whole(tmp_path / "new.png", b"")


def test_a_folder_that_is_not_there_is_named_as_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere/x\.png'$"):
        write_whole(tmp_path / "nowhere" / "x.png", b"")


def test_a_bundle(tmp_path: Path) -> None:
    read = read_bundle(DEFAULT_BUNDLE)
    path = tmp_path / "m.edgeser"
    with room(100_000), pytest.raises(OSError, match=r"m\.edgeser"):  # type: ignore[attr-defined]
        write_bundle(path, read.manifest.raw, read.frontend, read.tensors)
    assert not list(tmp_path.iterdir())


def test_a_timeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    from edgeser import plot

    image = tmp_path / "timeline.png"
    plot.save_timeline(edgeser.load().analyze(SAMPLE), image)  # fonts are looked for once
    before = image.read_bytes()
    monkeypatch.setattr(sys, "argv", ["edgeser", "analyze", str(SAMPLE), "--plot", str(image)])
    with room(1_000), pytest.raises(SystemExit) as ended:  # type: ignore[attr-defined]
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"edgeser: {image}: File too large\n"
    assert image.read_bytes() == before
