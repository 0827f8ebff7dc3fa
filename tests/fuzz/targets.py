"""Fuzz targets: functions that take any bytes and raise if a promise is broken."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
from starlette.datastructures import Headers

from edgeser.audio.chunk import to_mono
from edgeser.audio.recording import open_recording
from edgeser.cli.table import Table
from edgeser.errors import AudioError, EdgeserError, TableError
from edgeser.serve.access import Access, Origin, host_and_port
from edgeser.serve.connection import _too_much
from edgeser.serve.conversation import _is_end
from edgeser.serve.protocol import AudioFormat, parameters

COLUMNS = {"duration": float, "frames": int, "label": str, "p_joy": float}
ROW = (2.5, 20, "joy", 1 / 3)
_LONGEST = 1 << 20
"""Limit of decoded samples, over all channels, of a file of some KiB."""


def named(error: EdgeserError, path: Path | None = None) -> None:
    """A readable message: names the file, is not empty, and has few lines."""
    assert 10 < len(str(error)) < 2_000, error
    assert path is None or str(error).startswith(str(path)), error


def protocol(data: bytes) -> None:
    """A request to the server, and what a client then sends: lines of the one, a NUL, the others.

    The first line is the query, the second to fourth are the headers Host, Origin and
    Authorization. Each message begins with ``t`` for text; else it is audio.
    """
    request, *messages = data.split(b"\0\n")
    assert (_too_much(request) or "4")[0] == "4"
    query, host, origin, token, *_ = [*request.decode("latin-1").split("\n"), "", "", "", ""]
    headers = Headers({"host": host, "origin": origin, "authorization": token})
    access = _access()
    for refusal in (access.wrong_host(headers), access.wrong_page(headers)):
        assert refusal is None or refusal
    assert not access.knows_token(None, headers) or "s3cret" in token
    assert (found := host_and_port(host)) is None or found[0]
    if (page := Origin.of(origin)) is not None and ":" not in page.host:
        assert page == Origin.of(f"{page.scheme}://{page.host}:{page.port}")
    try:
        audio = AudioFormat.of(parameters(parse_qsl(query, keep_blank_values=True)))
        decode = audio.decoder()
    except AudioError as error:
        named(error)
        return
    for message in messages:
        if message[:1] == b"t":
            text = message[1:].decode("utf-8", "replace")
            if _is_end(text):
                assert json.loads(text)["type"] == "end"
            continue
        try:
            samples = audio.samples(decode(message))
            mono = to_mono(samples, audio.rate)
        except AudioError as error:
            named(error)
            continue
        assert mono.dtype == np.float32
        assert mono.shape == (len(samples),)
        assert np.isfinite(mono).all()


def recording(data: bytes) -> None:
    """Reading a sound file ends, with samples or with one error that names it."""
    path = _folder() / "r"
    path.write_bytes(data)
    samples = 0
    try:
        with open_recording(path, None) as opened:
            for block in opened.blocks:
                assert block.ndim == 2
                assert len(block) > 0
                samples += block.size
                if samples > _LONGEST:
                    break
    except AudioError as error:
        named(error, path)


def table(data: bytes) -> None:
    """Resuming a table: refused and unchanged, or extended.

    The first byte says which: ``c``, a CSV; ``p``, Parquet; ``u``, one that was left unfinished.
    """
    kind, content = data[:1], data[1:]
    path = _folder() / ("t.parquet" if kind == b"p" else "t.csv")
    given = path.with_name("t.csv.unfinished") if kind == b"u" else path
    given.write_bytes(content)
    try:
        try:
            with Table(path, COLUMNS, "me") as first:
                done = set(first.done)
                if (new := "new") not in done:
                    first.add(new, [ROW])
        except TableError as error:
            named(error)
            assert kind == b"u" or given.read_bytes() == content
            return
        with Table(path, COLUMNS, "me") as again:
            # What SQLite does not see of a damaged index comes right in the file that is written.
            assert kind == b"u" or again.done == done | {new}
            assert new in done or list(map(tuple, again.rows_of(new))) == [ROW]
        assert list(path.parent.glob("t.*")) == [path]
    finally:
        for left in path.parent.glob("t.*"):
            left.unlink()


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (protocol, recording, table)
}


@lru_cache
def _access() -> Access:
    return Access("127.0.0.1", "s3cret", ("https://kiosk.example",), ("robot",))


@lru_cache
def _folder() -> Path:
    memory = Path("/dev/shm")
    keeper = tempfile.TemporaryDirectory(
        prefix="edgeser-fuzz-", dir=memory if memory.is_dir() else None
    )
    _KEPT.append(keeper)
    return Path(keeper.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []
