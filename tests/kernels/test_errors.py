"""Bad arguments raise KernelError and leave all states unchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeser import _kernels
from edgeser.errors import EdgeserError, KernelError
from edgeser.reference.random_weights import tacn_weights, vq_weights
from tests.kernels.tester import cpp_tacn, random_tokens

TACN: dict[str, Any] = {
    name: np.asarray(getattr(tacn_weights(6, 3, 3, (1, 2), 2), name), np.float32)
    for name in ("query", "key", "value", "output", "taps", "bias", "head_weight", "head_bias")
}
VQ: dict[str, Any] = {
    name: np.asarray(getattr(vq_weights(5, 3, 2, 4, 6), name), np.float32)
    for name in ("codebook", "deep_weight", "latent_weight", "bias")
}


def test_a_kernel_error_is_one_of_ours() -> None:
    with pytest.raises(EdgeserError):
        _kernels.Resampler(1, 2)


def spoilt(array: Any, how: str) -> Any:
    if how == "float64":
        return array.astype(np.float64)
    if how == "big-endian":
        return array.astype(">f4")
    if how == "strided":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if how == "short":
        return np.ascontiguousarray(array[..., :-1])
    if how == "axis":
        return array[None]
    if how == "list":
        return array.tolist()
    if how == "nan":
        array = array.copy()
        array.flat[-1] = np.nan
        return array
    if how == "infinite":
        array = array.copy()
        array.flat[0] = -np.inf
        return array
    assert how == "unaligned"
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
    return raw.view(np.float32).reshape(array.shape)


WAYS = {
    "float64": "got float64",
    "big-endian": "got >f4",
    "strided": "not C-contiguous",
    "axis": "got float32 (1, ",
    "list": "got list",
    "nan": "NaN or infinite",
    "infinite": "NaN or infinite",
    "unaligned": "C-contiguous float32",
}


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", TACN)
def test_tacn_weights(name: str, how: str) -> None:
    weights = {**TACN, name: spoilt(TACN[name], how)}
    with pytest.raises(KernelError, match=f"^{name}: ") as caught:
        _kernels.TACN(**weights, heads=3, dilations=[1, 2])
    assert WAYS[how] in str(caught.value)


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", VQ)
def test_vq_weights(name: str, how: str) -> None:
    weights = {**VQ, name: spoilt(VQ[name], how)}
    with pytest.raises(KernelError, match=f"^{name}: ") as caught:
        _kernels.VQFusion(**weights)
    assert WAYS[how] in str(caught.value)


@pytest.mark.parametrize("name", TACN)
def test_tacn_weights_of_another_shape(name: str) -> None:
    with pytest.raises(KernelError, match="expected a C-contiguous float32 array of shape"):
        _kernels.TACN(**{**TACN, name: spoilt(TACN[name], "short")}, heads=3, dilations=[1, 2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"heads": 4}, "heads must divide the width 6"),
        ({"heads": 0}, "heads must be at least 1"),
        ({"dilations": [1]}, "one for each of the 2 layers, got 1"),
        ({"dilations": [1, 2.5]}, "dilations: expected integers, got float"),
        ({"dilations": [1, 0]}, "every dilation must be at least 1"),
        ({"simd": "sse9"}, "no level 'sse9'"),
    ],
)
def test_tacn_options(change: dict[str, Any], message: str) -> None:
    options = {"heads": 3, "dilations": [1, 2], **change}
    with pytest.raises(KernelError, match=message):
        _kernels.TACN(**TACN, **options)


def test_vq_shapes() -> None:
    with pytest.raises(KernelError, match="latent_weight: expected P\\*D rows"):
        _kernels.VQFusion(**{**VQ, "latent_weight": np.zeros((7, 6), np.float32)})
    with pytest.raises(KernelError, match="codebook"):
        _kernels.VQFusion(**{**VQ, "codebook": np.zeros((0, 3), np.float32)})
    fusion = _kernels.VQFusion(**VQ)
    deep, latent = random_tokens(2, 4), random_tokens(2, 2, 3)
    with pytest.raises(KernelError, match=r"latent: .* shape \(2, 2, 3\), got float32 \(1, 2, 3\)"):
        fusion(deep, latent[:1])
    with pytest.raises(KernelError, match="deep: "):
        fusion(latent, latent)
    with pytest.raises(KernelError, match=r"latent: value 0 .* NaN"):
        fusion(deep, spoilt(latent, "infinite"))


def step_arguments() -> dict[str, Any]:
    """Three streams in mid-life, as step() takes them."""
    model = cpp_tacn(tacn_weights(6, 3, 3, (1, 2), 2))
    states = list(np.zeros((3, model.state_bytes), np.uint8))
    for t in range(5):
        model.step(random_tokens(3, 6, seed=t), states)
    return {"tokens": random_tokens(3, 6), "states": states, "active": np.ones(3, np.bool_)}


def read_only(state: Any) -> Any:
    state.flags.writeable = False
    return state


def with_header(state: Any, at: int, value: int) -> Any:
    state = state.copy()
    state[at] = value
    return state


BAD_STEPS: dict[str, tuple[Any, str]] = {
    "tokens dtype": (lambda a: a | {"tokens": spoilt(a["tokens"], "float64")}, "tokens: expected"),
    "tokens width": (lambda a: a | {"tokens": spoilt(a["tokens"], "short")}, "tokens: expected"),
    "tokens nan": (lambda a: a | {"tokens": spoilt(a["tokens"], "nan")}, r"tokens\[2\]: value 5"),
    "tokens list": (lambda a: a | {"tokens": [1.0]}, "tokens: .* got list"),
    "too few states": (lambda a: a | {"states": a["states"][:2]}, "each of the 3 tokens, got 2"),
    "same state": (lambda a: a | {"states": [a["states"][0]] * 3}, "overlap"),
    "long state": (
        lambda a: a | {"states": [*a["states"][:2], np.zeros(10**5, np.uint8)]},
        r"states\[2\]: expected a C-contiguous uint8",
    ),
    "short state": (
        lambda a: a | {"states": [*a["states"][:2], a["states"][2][:-1]]},
        r"states\[2\]: expected a C-contiguous uint8",
    ),
    "float state": (
        lambda a: a | {"states": [*a["states"][:2], a["states"][2].view(np.float32)]},
        r"states\[2\]: expected .* got float32",
    ),
    "None state": (lambda a: a | {"states": [*a["states"][:2], None]}, "got NoneType"),
    "read-only": (
        lambda a: a | {"states": [*a["states"][:2], read_only(a["states"][2].copy())]},
        r"states\[2\]: the array is read-only",
    ),
    "negative position": (
        lambda a: a | {"states": [*a["states"][:2], with_header(a["states"][2], 7, 255)]},
        r"states\[2\]: not a state",
    ),
    "alien header": (
        lambda a: a | {"states": [*a["states"][:2], with_header(a["states"][2], 40, 1)]},
        r"states\[2\]: not a state",
    ),
    "active dtype": (lambda a: a | {"active": np.ones(3, np.int64)}, "active: expected .* bool"),
    "active length": (lambda a: a | {"active": np.ones(2, np.bool_)}, "active: expected"),
}


@pytest.mark.parametrize("case", BAD_STEPS)
def test_a_bad_step_leaves_every_state_as_it_was(case: str) -> None:
    change, message = BAD_STEPS[case]
    arguments = step_arguments()
    before = [state.copy() for state in arguments["states"]]
    model = cpp_tacn(tacn_weights(6, 3, 3, (1, 2), 2))
    with pytest.raises(KernelError, match=message):
        model.step(**change(arguments))
    for state, was in zip(arguments["states"], before, strict=True):
        assert (state == was).all()
    assert np.isfinite(model.step(**arguments)).all()  # and the streams go on


def test_views_that_overlap_in_part() -> None:
    model = cpp_tacn(tacn_weights(6, 3, 3, (1, 2), 2))
    memory = np.zeros(2 * model.state_bytes, np.uint8)
    views = [memory[: model.state_bytes], memory[8 : 8 + model.state_bytes]]
    with pytest.raises(KernelError, match="overlap"):
        model.step(random_tokens(2, 6), views)
    apart = [memory[: model.state_bytes], memory[model.state_bytes :]]
    assert np.isfinite(model.step(random_tokens(2, 6), apart)).all()


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ((3999, 16000), "rate_in must be 4000..384000 Hz, not 3999"),
        ((16000, 384001), "rate_out must be 4000..384000 Hz, not 384001"),
        ((-5, 16000), "rate_in must be"),
    ],
)
def test_resampler_rates(rates: tuple[int, int], message: str) -> None:
    with pytest.raises(KernelError, match=message):
        _kernels.Resampler(*rates)


@pytest.mark.parametrize(
    "chunk",
    [
        np.zeros(5),
        np.zeros((5, 1), np.float32),
        np.zeros(10, np.float32)[::2],
        np.array([0, np.nan], np.float32),
        np.zeros(5, np.int16),
        [0.0],
    ],
    ids=["float64", "two axes", "strided", "nan", "int16", "list"],
)
def test_a_bad_chunk_leaves_the_state_as_it_was(chunk: Any) -> None:
    resampler = _kernels.Resampler(44100, 16000)
    state = np.zeros(resampler.state_bytes, np.uint8)
    resampler.process(random_tokens(1000), state)
    before = state.copy()
    with pytest.raises(KernelError, match=r"^chunk: "):
        resampler.process(chunk, state)
    assert (state == before).all()


def test_resampler_states() -> None:
    resampler = _kernels.Resampler(48000, 16000)
    chunk = random_tokens(10)
    with pytest.raises(KernelError, match="state: expected"):
        resampler.process(chunk, np.zeros(resampler.state_bytes - 1, np.uint8))
    with pytest.raises(KernelError, match="state: the array is read-only"):
        resampler.process(chunk, read_only(np.zeros(resampler.state_bytes, np.uint8)))
    for at, value in ((7, 255), (6, 1), (20, 1)):
        state = with_header(np.zeros(resampler.state_bytes, np.uint8), at, value)
        with pytest.raises(KernelError, match="not a state"):
            resampler.flush(state)
