"""The three kernels in one call: the same bits as separate calls, and named errors."""

from __future__ import annotations

import numpy as np
import pytest

import edgeser
from edgeser import _kernels
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.reference.random_weights import tacn_weights
from tests.kernels.tester import PRECISIONS, assert_same_bits, cpp_tacn


@pytest.fixture(scope="module", params=PRECISIONS)
def core(request: pytest.FixtureRequest) -> _kernels.Core:
    return _kernels.Core(read_bundle(DEFAULT_BUNDLE).contents, precision=request.param)


def front_end(core: _kernels.Core) -> _kernels.FrontEnd:
    assert core.front_end is not None
    return core.front_end


def joined(core: _kernels.Core) -> _kernels.Step:
    return _kernels.Step(front_end(core), core.fusion, core.tacn)


@pytest.mark.parametrize("rows", [0, 1, 4, 9])
def test_equals_the_kernels_one_after_another(core: _kernels.Core, rows: int) -> None:
    rng = np.random.default_rng(rows)
    size = front_end(core).segment
    levels = rng.uniform(-60, 0, rows).astype(np.float32)
    ours = [np.zeros(core.tacn.state_bytes, np.uint8) for _ in range(rows)]
    theirs = [state.copy() for state in ours]
    for _ in range(3):
        waves = (0.1 * rng.standard_normal((rows, size))).astype(np.float32)
        logits, heard = joined(core)(list(waves), levels, ours)
        deep, latent, level = front_end(core)(waves, levels)
        tokens, _ = core.fusion(deep, latent)
        assert_same_bits(logits, core.tacn.step(tokens, theirs))
        assert_same_bits(heard, level)
        levels = heard
    assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))


def test_errors_name_what_is_wrong_and_touch_nothing(core: _kernels.Core) -> None:
    step, size = joined(core), front_end(core).segment
    good, level = np.zeros(size, np.float32), np.full(1, -30, np.float32)
    state = np.zeros(core.tacn.state_bytes, np.uint8)
    with pytest.raises(edgeser.KernelError, match=r"segments\[0\].*4224"):
        step([good[1:]], level, [state])
    with pytest.raises(edgeser.KernelError, match=r"segments\[0\].*NaN"):
        step([np.full(size, np.nan, np.float32)], level, [state])
    with pytest.raises(edgeser.KernelError, match="levels"):
        step([good], np.zeros(2, np.float32), [state])
    with pytest.raises(edgeser.KernelError, match="states"):
        step([good], level, [state, state.copy()])
    assert not state.any()


def test_kernels_of_two_models_do_not_join(core: _kernels.Core) -> None:
    with pytest.raises(edgeser.KernelError, match=r"token width.*kernels of one model"):
        _kernels.Step(front_end(core), core.fusion, cpp_tacn(tacn_weights(8, 2)))
