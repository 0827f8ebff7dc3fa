"""Speech in Parquet files: distribution of files over processes and rounds."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from train.data.manifest import CorpusError, Recording
from train.data.shard import Shard
from train.front.bulk import PIECE, Bulk
from train.front.bulk_files import write_bulk


def sound(seconds: float, rate: int = 16_000, channels: int = 1) -> bytes:
    wave = np.sin(np.arange(int(seconds * rate)) / 20)
    content = io.BytesIO()
    soundfile.write(content, np.repeat(wave[:, None], channels, 1), rate, format="flac")
    return content.getvalue()


def write(folder: Path, count: int, rows: list[bytes] | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        table = pa.table({"audio": rows or [sound(0.6 + n / 10)]})
        pq.write_table(table, folder / f"{n}.parquet")
    return folder


@pytest.mark.parametrize(("world", "files"), [(1, 1), (2, 2), (3, 1)])
def test_each_file_is_read_once_in_a_turn(tmp_path: Path, world: int, files: int) -> None:
    place = str(write(tmp_path, 7))
    readers = [Bulk(place, files, Shard(rank, world), seed=1) for rank in range(world)]
    rounds = 3 * 7  # of any world and number of files, a whole number of turns
    order = [name for n in range(rounds) for reader in readers for name in reader.of(n)]
    turns = [order[i : i + 7] for i in range(0, len(order), 7)]
    assert all(sorted(turn) == readers[0].names for turn in turns)
    assert len({tuple(turn) for turn in turns}) > 1
    again = Bulk(place, files, Shard(0, world), seed=1)
    assert again.of(5) == readers[0].of(5)


def test_recordings_are_mono_16_khz_and_cut(tmp_path: Path) -> None:
    long = sound(60.2)
    rows = [sound(1.0, 48_000, 2), b"no sound", sound(0.3), long]
    reader = Bulk(str(write(tmp_path, 1, rows)), 1)
    found = reader.read(0)
    assert [len(one.samples) for one in found] == [
        16_000,
        PIECE,
        PIECE,
        60 * 16_000 + 3200 - 2 * PIECE,
    ]
    assert all(one.samples.dtype == np.int16 and one.emotion == -1 for one in found)
    whole, _ = soundfile.read(io.BytesIO(long), dtype="int16")
    joined = np.concatenate([one.samples for one in found[1:]]).astype(int)
    assert np.abs(joined - whole).max() <= 1
    assert reader.unreadable == 1


def test_what_is_written_is_read(tmp_path: Path) -> None:
    recordings = []
    for n in range(150):
        path = tmp_path / f"{n}.flac"
        path.write_bytes(sound(0.6 + n / 1000))
        recordings.append(Recording(path, "made", "s", "anger" if n == 3 else "", "", ""))
    size = recordings[0].path.stat().st_size
    files = write_bulk(recordings, tmp_path / "bulk", 100 * size)
    assert [path.name for path in files] == ["00000.parquet", "00001.parquet"]
    reader = Bulk(str(tmp_path / "bulk"), 2)
    lengths = sorted(len(one.samples) for one in reader.read(0))
    kept = [int((0.6 + n / 1000) * 16_000) for n in range(150) if n != 3]
    assert lengths == kept  # but not the one that has an emotion
    with pytest.raises(CorpusError, match="speech without labels"):
        write_bulk(recordings[3:4], tmp_path / "none")
    recordings[5].path.unlink()
    with pytest.raises(CorpusError, match=r"5\.flac cannot be read"):
        write_bulk(recordings, tmp_path / "half")
    assert not list((tmp_path / "half").glob("*.parquet"))


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="has no Parquet file"):
        Bulk(str(tmp_path / "empty"), 1)
    with pytest.raises(CorpusError, match="cannot be read"):
        Bulk(str(tmp_path / "missing"), 1)
    with pytest.raises(CorpusError, match="cannot be reached"):
        Bulk("nowhere://speech", 1)
    (tmp_path / "text").mkdir()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "text" / "0.parquet")
    with pytest.raises(CorpusError, match="no column audio; it has text"):
        Bulk(str(tmp_path / "text"), 1)
    folder = write(tmp_path / "broken", 1)
    reader = Bulk(str(folder), 1)
    (folder / "0.parquet").write_bytes(b"broken")
    with pytest.raises(CorpusError, match=r"0\.parquet of .* cannot be read"):
        reader.read(0)
