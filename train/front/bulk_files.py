"""Writes Parquet files of speech for :mod:`train.front.bulk`, from a manifest."""

from collections.abc import Sequence
from pathlib import Path

from train.data.manifest import CorpusError, Recording
from train.files import atomic_write

ROWS = 64
"""Rows in a row group, which are in memory together."""


def write_bulk(
    recordings: Sequence[Recording], out: Path, file_bytes: int = 256 << 20
) -> list[Path]:
    """Writes ``out/00000.parquet``, ...: a row for each recording, with its file byte for byte.

    Recordings with an emotion are left out: they are for the pack, or for tests. A new file begins
    when the previous one has ``file_bytes`` of audio.

    Raises:
        CorpusError: none is left, or one is not there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    audio = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("audio", audio), ("corpus", pa.string()), ("speaker", pa.string())])
    left = [r for r in recordings if not r.emotion]
    if not left:
        raise CorpusError("no recording without an emotion: expected speech without labels")
    written: list[Path] = []
    while left:
        path = out / f"{len(written):05}.parquet"
        with atomic_write(path) as partial, pq.ParquetWriter(partial, schema) as writer:
            size = 0
            while left and size < file_bytes:
                some, left = left[:ROWS], left[ROWS:]
                contents = [_content(recording) for recording in some]
                size += sum(map(len, contents))
                rows = [
                    {
                        "audio": {"bytes": content, "path": recording.path.name},
                        "corpus": recording.corpus,
                        "speaker": recording.speaker,
                    }
                    for recording, content in zip(some, contents, strict=True)
                ]
                writer.write_table(pa.Table.from_pylist(rows, schema))
        written.append(path)
    return written


def _content(recording: Recording) -> bytes:
    try:
        return recording.path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{recording.path} cannot be read: {error.strerror}") from error
