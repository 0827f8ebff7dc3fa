"""The streaming resampler: its definition, its bands, its chunking, and a peer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeser import _kernels
from edgeser.reference import kernels as reference
from tests.kernels.tester import LEVELS, Float32s, assert_same_bits, random_tokens

RATES = [44100, 48000, 8000, 22050, 11025, 32000, 96000, 4000, 12345]
PAIRS = [*((rate, 16000) for rate in RATES), (16000, 44100), (48000, 44100), (16000, 16001)]


def run(
    rate_in: int, rate_out: int, x: Float32s, cuts: list[int] | None = None, simd: str | None = None
) -> Float32s:
    """The whole of x, cut at the given places, and flushed."""
    resampler = _kernels.Resampler(rate_in, rate_out, simd)
    state = np.zeros(resampler.state_bytes, np.uint8)
    chunks = np.split(x, sorted(cuts or []))
    outputs = [resampler.process(np.ascontiguousarray(chunk), state) for chunk in chunks]
    outputs.append(resampler.flush(state))
    assert not state.any()
    return np.concatenate(outputs)


def sine(frequency: float, rate: int, seconds: float = 0.3, phase: float = 0.4) -> Float32s:
    t = np.arange(round(rate * seconds)) / rate
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)


def middle(y: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """y without its ends, where the filter sees the edge of the signal."""
    skip = len(y) // 5
    return y[skip:-skip].astype(np.float64)


def fit(y: npt.NDArray[np.floating], frequency: float, rate: int) -> tuple[float, float, float]:
    """Amplitude and phase (rad, as in sine()) at a frequency, and the rms of the rest."""
    skip = len(y) // 5
    t = (np.arange(len(y)) / rate)[skip:-skip]
    basis = np.stack([np.sin(2 * np.pi * frequency * t), np.cos(2 * np.pi * frequency * t)], 1)
    (a, b), *_ = np.linalg.lstsq(basis, middle(y), rcond=None)
    rest = middle(y) - basis @ np.array([a, b])
    return float(np.hypot(a, b)), float(np.arctan2(b, a)), float(np.sqrt(np.mean(rest**2)))


def decibels(ratio: float) -> float:
    return float(20 * np.log10(max(ratio, 1e-12)))


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_equals_its_definition(rate_in: int, rate_out: int) -> None:
    x = random_tokens(300)
    want = reference.resample(x.astype(np.float64), rate_in, rate_out)
    got = run(rate_in, rate_out, x)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want, rtol=0, atol=4e-6)


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
@pytest.mark.parametrize("n", [0, 1, 2, 440, 441, 442, 5000])
def test_gives_the_length_of_the_signal(rate_in: int, rate_out: int, n: int) -> None:
    assert len(run(rate_in, rate_out, np.zeros(n, np.float32))) == -(-n * rate_out // rate_in)


@settings(max_examples=40, deadline=None)
@given(
    pair=st.sampled_from([*PAIRS, (16000, 16000), (384000, 4000), (4000, 384000)]),
    n=st.integers(0, 3000),
    data=st.data(),
)
def test_chunking_never_matters(pair: tuple[int, int], n: int, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, n), max_size=12))
    x = random_tokens(n, seed=n)
    whole = run(*pair, x)
    for level in LEVELS:
        assert_same_bits(run(*pair, x, cuts, level), whole)


@pytest.mark.parametrize(("rate_in", "rate_out"), [(44100, 16000), (8000, 16000), (16000, 16001)])
def test_single_samples(rate_in: int, rate_out: int) -> None:
    x = random_tokens(1500)
    assert_same_bits(run(rate_in, rate_out, x, list(range(1500))), run(rate_in, rate_out, x))


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_passes_the_pass_band(rate_in: int, rate_out: int) -> None:
    nyquist = min(rate_in, rate_out) / 2
    for part in (0.01, 0.3, 0.7, 0.8, 0.875):
        amplitude, phase, _ = fit(
            run(rate_in, rate_out, sine(part * nyquist, rate_in)), part * nyquist, rate_out
        )
        assert abs(decibels(amplitude)) < 0.01, f"at {part} of the lower Nyquist frequency"
        assert phase == pytest.approx(0.4, abs=1e-4), "zero phase"
    constant = run(rate_in, rate_out, np.ones(4 * 4096, np.float32))
    assert abs(decibels(float(middle(constant).mean()))) < 0.01


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_stops_what_would_alias(rate_in: int, rate_out: int) -> None:
    low, high = rate_out / 2, rate_in / 2
    for frequency in np.linspace(low, high, 9)[:-1]:
        x = sine(float(frequency), rate_in)
        y = middle(run(rate_in, rate_out, x))
        level = decibels(float(np.sqrt(2 * np.mean(y**2))))
        assert level < -90, f"{frequency} Hz"


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in PAIRS if pair[0] < pair[1]])
def test_leaves_no_images(rate_in: int, rate_out: int) -> None:
    for part in (0.01, 0.5, 0.875, 0.97):
        frequency = part * rate_in / 2
        *_, rest = fit(run(rate_in, rate_out, sine(frequency, rate_in)), frequency, rate_out)
        assert decibels(rest * np.sqrt(2)) < -90, f"{frequency} Hz"


@pytest.mark.parametrize("rate", [44100, 48000, 8000, 22050, 11025])
def test_agrees_with_soxr_in_the_pass_band(rate: int) -> None:
    # From 44.1 kHz soxr itself is 0.005 dB down at the edge of the band, which is -65 dB here.
    rng = np.random.default_rng(5)
    nyquist = min(rate, 16000) / 2
    x = np.sum(
        [
            sine(float(f), rate, 0.5, float(p))
            for f, p in zip(rng.uniform(20, 0.87 * nyquist, 30), rng.uniform(0, 6, 30), strict=True)
        ],
        axis=0,
    ).astype(np.float32)
    ours = run(rate, 16000, x)
    theirs = soxr.resample(x.astype(np.float64), rate, 16000, quality="VHQ")
    n = min(len(ours), len(theirs))
    error = middle(ours[:n] - theirs[:n])
    assert decibels(float(np.sqrt(np.mean(error**2) / np.mean(middle(theirs) ** 2)))) < -70


def test_a_copied_state_continues() -> None:
    resampler = _kernels.Resampler(44100, 16000)
    x = random_tokens(4000)
    state = np.zeros(resampler.state_bytes, np.uint8)
    resampler.process(x[:1777], state)
    snapshot = state.copy()
    want = resampler.process(x[1777:], state)
    assert_same_bits(_kernels.Resampler(44100, 16000).process(x[1777:], snapshot), want)


def test_declares_itself() -> None:
    resampler = _kernels.Resampler(48000, 16000)
    assert (resampler.rate_in, resampler.rate_out) == (48000, 16000)
    assert resampler.taps == 2 * resampler.half_width
    assert resampler.state_bytes == 64 + 4 * resampler.taps
    assert resampler.delay == resampler.half_width / 48000
    assert resampler.delay < 0.004


def test_an_output_waits_for_its_look_ahead() -> None:
    resampler = _kernels.Resampler(48000, 16000)
    state = np.zeros(resampler.state_bytes, np.uint8)
    ahead = resampler.half_width
    assert len(resampler.process(np.ones(ahead, np.float32), state)) == 0
    assert len(resampler.process(np.ones(1, np.float32), state)) == 1
    assert len(resampler.process(np.ones(2, np.float32), state)) == 0
    assert len(resampler.process(np.ones(1, np.float32), state)) == 1


def test_equal_rates_copy() -> None:
    resampler = _kernels.Resampler(16000, 16000)
    assert resampler.state_bytes == resampler.taps == resampler.delay == 0
    x = random_tokens(100)
    state = np.zeros(0, np.uint8)
    y = resampler.process(x, state)
    assert_same_bits(y, x)
    assert not np.shares_memory(x, y)
    assert len(resampler.flush(state)) == 0


def test_the_counter_stays_bounded() -> None:
    resampler = _kernels.Resampler(44100, 16000)
    state = np.zeros(resampler.state_bytes, np.uint8)
    chunk = np.zeros(44100, np.float32)
    done = sum(len(resampler.process(chunk, state)) for _ in range(100))
    assert state[:8].view(np.int64)[0] < 441 + resampler.half_width
    assert done + len(resampler.flush(state)) == 100 * 16000
