"""The documentation's figures of rings and timing agree with the kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser import _kernels
from edgeser.reference.random_weights import tacn_weights
from tests.kernels.tester import cpp_tacn, random_tokens

pytest.importorskip("sphinx")
pytest.importorskip("matplotlib")

from docs import figures
from docs.figures import latency, model, rings

DOCS = Path(__file__).parents[2] / "docs"
WIDTH, TAPS, DILATIONS = 16, 3, (1, 2, 4, 8)


def slots_of(state: np.ndarray) -> list[np.ndarray]:
    """The rings in a state block, a (slots, C) view a layer."""
    values = state[64:].view(np.float32)
    ends = np.cumsum([WIDTH * rings.slots(d, TAPS) for d in DILATIONS])
    return [part.reshape(-1, WIDTH) for part in np.split(values, ends[:-1])]


def after(tacn: _kernels.TACN, tokens: np.ndarray) -> np.ndarray:
    state = np.zeros(tacn.state_bytes, np.uint8)
    for token in tokens:
        tacn.step(token[None], [state])
    return state


@pytest.mark.parametrize("token", [0, 1, 3, 22, 40])
def test_a_step_reads_and_writes_what_the_rings_show(token: int) -> None:
    tacn = cpp_tacn(tacn_weights(WIDTH, 4, TAPS, DILATIONS))
    tokens = random_tokens(token + 1, WIDTH)
    before = after(tacn, tokens[:-1])
    now = before.copy()
    result = tacn.step(tokens[-1:], [now])
    for layer, dilation in enumerate(DILATIONS):
        old, new = slots_of(before)[layer], slots_of(now)[layer]
        written = np.flatnonzero((old != new).any(axis=1))
        assert written.tolist() == [rings.slot(token, dilation, TAPS)]
        known = rings.held(token, dilation, TAPS)
        assert set(np.flatnonzero(old.any(axis=1))) == set(known)
        read = set()
        for place in range(rings.slots(dilation, TAPS)):
            other = before.copy()
            slots_of(other)[layer][place] += 1.0
            if (tacn.step(tokens[-1:], [other]) != result).any():
                read.add(place)
        assert read == set(rings.reads(token, dilation, TAPS))
        assert all(
            known[place] == past for place, past in rings.reads(token, dilation, TAPS).items()
        )


def test_they_are_drawn_to_the_bundled_model() -> None:
    loaded = edgeser.load()
    reach = (model.sizes()["taps"] - 1) * sum(model.dilations())
    samples = reach * model.sizes()["hop"] + model.sizes()["segment"]
    assert samples / model.sizes()["sample_rate"] == loaded.receptive_field
    assert all(part > 0 for part in latency.parts().values())


def test_each_is_drawn_for_light_and_dark_and_shown(tmp_path: Path) -> None:
    figures.draw_all(tmp_path)
    for name in figures.FIGURES:
        drawn = [
            (tmp_path / f"{name}-{scheme.name}.svg").read_bytes() for scheme in figures.SCHEMES
        ]
        assert len(set(drawn)) == len(figures.SCHEMES)
        shown = sum(
            f"```{{drawn}} {name}\n" in page.read_text(encoding="utf-8")
            for page in DOCS.rglob("*.md")
        )
        assert shown == 1, name
