"""Speech without labels in Parquet files, more than fits on a disk: a few files per round.

The files may be in a folder or in any file system that pyarrow supports (``s3://``, ``gs://``,
``hdfs://``). A row is a recording; its column ``audio`` contains the bytes of a sound file,
directly or as ``bytes`` of a struct, as in data sets of the Hugging Face hub.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from train.data.manifest import CorpusError
from train.data.shard import Shard
from train.front.material import Spoken
from train.models.segment import SAMPLE_RATE

PIECE = 28 * SAMPLE_RATE
"""Longer recordings are cut into pieces of so many samples, the teacher's limit."""
SHORTEST = SAMPLE_RATE // 2
"""Shorter recordings and ends are left out (in samples)."""
AT_ONCE = 64
"""Rows in memory, besides decoded ones."""


class Bulk:
    """The files that a process reads in each round, and their recordings.

    Files are read in a random order, which differs each time; each time every file is read once, by
    one of the processes.

    Args:
        place: a folder of Parquet files or one of them, as a path or an address.
        files: number of files per round and process.
        shard: which of the processes this is.
        seed: of the order.

    Raises:
        CorpusError: there are no such files, they cannot be reached, or they have no ``audio``.
    """

    def __init__(self, place: str, files: int, shard: Shard | None = None, seed: int = 0) -> None:
        self.place, self.files, self.seed = place, files, seed
        self.shard = shard or Shard()
        self.unreadable = 0
        """Recordings that could not be decoded, so far."""
        try:
            import pyarrow as pa
            import pyarrow.dataset as parquet
        except ImportError as missing:
            raise CorpusError(
                f"reading {place} needs pyarrow ({missing}): pip install 'edgeser[parquet]'"
            ) from missing
        self._arrow: Any = pa
        self._parquet: Any = parquet
        self._system, path = self._reached(place)
        try:
            found = parquet.dataset(path, filesystem=self._system, format="parquet")
            self.names: list[str] = sorted(found.files)
            columns = found.schema.names
        except (OSError, pa.ArrowException) as error:
            raise CorpusError(f"{place} cannot be read as Parquet files: {error}") from error
        if not self.names:
            raise CorpusError(f"{place} has no Parquet file: expected some, with a column audio")
        if "audio" not in columns:
            raise CorpusError(f"{place} has no column audio; it has {', '.join(columns)}")

    def of(self, number: int) -> list[str]:
        """This process's files of a round."""
        first = (number * self.shard.world + self.shard.rank) * self.files
        return [self._at(place) for place in range(first, first + self.files)]

    def read(self, number: int) -> list[Spoken]:
        """This process's recordings of a round."""
        return [
            Spoken(piece, self.place, -1, held=False)
            for name in self.of(number)
            for content in self._contents(name)
            for piece in self._pieces(content)
        ]

    def _at(self, place: int) -> str:
        turn, place = divmod(place, len(self.names))
        order = np.random.default_rng([self.seed, turn]).permutation(len(self.names))
        return self.names[int(order[place])]

    def _contents(self, name: str) -> Iterator[bytes]:
        try:
            found = self._parquet.dataset(name, filesystem=self._system, format="parquet")
            for rows in found.to_batches(columns=["audio"], batch_size=AT_ONCE):
                for row in rows.column("audio"):
                    value = row.as_py()
                    yield value["bytes"] if isinstance(value, dict) else value
        except (OSError, self._arrow.ArrowException) as error:
            raise CorpusError(f"{name} of {self.place} cannot be read: {error}") from error

    def _pieces(self, content: bytes) -> Iterator[NDArray[np.int16]]:
        try:
            sound, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, TypeError):  # no bytes: the audio is in another file
            self.unreadable += 1
            return
        mono = sound.mean(1)
        if rate != SAMPLE_RATE:
            mono = soxr.resample(mono, rate, SAMPLE_RATE)
        kept = np.rint(mono.clip(-1, 1) * 32767).astype(np.int16)
        for start in range(0, len(kept), PIECE):
            piece = kept[start : start + PIECE]
            if len(piece) >= SHORTEST:
                yield piece

    def _reached(self, place: str) -> tuple[Any, str]:
        from pyarrow import fs

        if "://" not in place:
            return fs.LocalFileSystem(), str(Path(place).absolute())
        try:
            found: tuple[Any, str] = fs.FileSystem.from_uri(place)
        except (OSError, self._arrow.ArrowException) as error:
            raise CorpusError(f"{place} cannot be reached: {error}") from error
        return found
