"""The fuzz targets on their corpus and some hundred mutations of it.

That is the same without coverage to lead it, wherever hypothesis is; atheris leads:
``python -m tests.fuzz protocol 600``. More of this: ``HYPOTHESIS_PROFILE=long pytest tests/fuzz``.
"""

from __future__ import annotations

import os
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette")
from tests.fuzz.targets import TARGETS

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SEEDS = sorted((Path(__file__).parent / "corpus").glob("*/*"))


class Input(bytes):
    """A failing input is saved; ``python -m tests.fuzz TARGET 0 FILE`` repeats it."""

    def __repr__(self) -> str:
        folder = Path("build") / "fuzz-python"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"failed-{sha256(self).hexdigest()[:12]}"
        path.write_bytes(self)
        return f"the {len(self)} bytes of {path}"


@lru_cache
def seeds(target: str) -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in SEEDS if path.parent.name == target)


@st.composite
def changed(draw: st.DrawFn, target: str) -> Input:
    """A file of the corpus with bytes changed, removed, doubled, or replaced by another file's."""
    data = bytearray(draw(st.sampled_from(seeds(target))))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.sampled_from([0, 1, 2, 4, 8, 100, 10_000]))
        how = draw(st.sampled_from(["new", "cut", "double", "other", "number"]))
        if how == "new":
            data[at : at + length] = draw(st.binary(max_size=8))
        elif how == "cut":
            del data[at : at + length]
        elif how == "double":
            data[at:at] = data[at : at + length]
        elif how == "other":
            other = draw(st.sampled_from(seeds(target)))
            data[at : at + length] = other[at : at + length]
        else:  # lengths, rates, offsets
            number = draw(st.sampled_from([0, 1, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF]))
            data[at : at + 4] = number.to_bytes(4, draw(st.sampled_from(["little", "big"])))
    return Input(data[: 1 << 16])


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_corpus(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_changes_of_the_corpus(target: str) -> None:
    @settings(
        max_examples=20_000 if LONG else 150,
        deadline=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )
    @given(changed(target))
    def run(data: bytes) -> None:
        TARGETS[target](data)

    run()
