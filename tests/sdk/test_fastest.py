"""``precision="auto"``: the fastest within a stated error, and no error for nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import edgeser
from edgeser import fastest
from edgeser.fastest import CHANGED_VERDICTS, MOST_CHANGED, choose
from edgeser.options import PRECISIONS


def test_the_fastest_is_chosen() -> None:
    assert choose({"float32": 3.0, "bfloat16": 2.0, "int8": 1.0}) == "int8"
    assert choose({"float32": 3.0, "bfloat16": 1.0, "int8": 2.0}) == "bfloat16"
    assert choose({"float32": 1.0, "bfloat16": 2.0, "int8": 2.0}) == "float32"


def test_an_error_must_be_worth_it() -> None:
    assert choose({"float32": 1.04, "bfloat16": 1.02, "int8": 1.0}) == "float32"
    assert choose({"float32": 1.2, "bfloat16": 1.04, "int8": 1.0}) == "bfloat16"


def test_the_model_says_which_it_is_and_is_that_one() -> None:
    model = edgeser.load(precision="auto")
    assert model.precision in PRECISIONS
    same = edgeser.load(precision=model.precision)
    noise = np.random.default_rng(1).normal(0, 0.1, 3 * model.sample_rate).astype(np.float32)
    frames = model.stream(model.sample_rate).process(noise)
    assert frames == same.stream(model.sample_rate).process(noise)


def test_what_changes_too_much_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastest, "choose", lambda seconds: max(seconds, key=PRECISIONS.index))
    changed = {"float32": 0.0, "bfloat16": 0.005, "int8": 0.012}
    monkeypatch.setattr(fastest, "CHANGED_VERDICTS", changed)
    assert edgeser.load(precision="auto").precision == "bfloat16"
    changed["bfloat16"] = 0.011
    assert edgeser.load(precision="auto").precision == "float32"


def test_a_gpu_is_told_which() -> None:
    with pytest.raises(edgeser.BackendError, match="choose a precision"):
        edgeser.load(backend="cuda", precision="auto")


@pytest.mark.checkout
def test_the_stated_error_is_the_measured_one() -> None:
    page = (Path(__file__).parents[2] / "docs/model/precision.md").read_text()
    for name, share in CHANGED_VERDICTS.items():
        if name != "float32":
            found = re.search(rf'`precision="{name}"`: ([\d.]+)% of the verdicts', page)
            assert found is not None
            assert share == pytest.approx(float(found[1]) / 100, abs=1e-9)
    assert max(CHANGED_VERDICTS.values()) <= MOST_CHANGED
