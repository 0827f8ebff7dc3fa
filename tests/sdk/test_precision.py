"""Lower precisions keep all promises except equality with float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr
from typer.testing import CliRunner

import edgeser
from edgeser.cli import app
from edgeser.options import PRECISIONS
from tests.sounds import push, speech_like, whole

RATE = 22_050
SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"
every_precision = pytest.mark.parametrize("precision", PRECISIONS)


def probabilities(frames: list[edgeser.EmotionFrame]) -> npt.NDArray[np.float64]:
    return np.array([list(frame.probabilities.values()) for frame in frames])


@every_precision
def test_chunking_never_matters(toy_path: Path, precision: edgeser.Precision) -> None:
    model = edgeser.load(toy_path, precision=precision)
    assert model.precision == precision
    sound = speech_like(1.5, RATE)
    want = whole(model.stream(RATE), sound)
    stream = model.stream(RATE)
    assert [*push(stream, sound, 777), *stream.flush().frames] == want


@every_precision
@pytest.mark.usefixtures("bundled")
def test_streams_are_independent(precision: edgeser.Precision) -> None:
    model = edgeser.load(precision=precision)
    sounds = [speech_like(1.0, RATE, seed=seed) for seed in range(9)]
    pool = model.pool()
    streams = [pool.stream(RATE) for _ in sounds]
    together = pool.process(dict(zip(streams, sounds, strict=True)))
    for stream, sound in zip(streams, sounds, strict=True):
        assert together[stream] == model.stream(RATE).process(sound)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_saved_stream_goes_on_in_bfloat16(toy_path: Path, precision: edgeser.Precision) -> None:
    full, other = edgeser.load(toy_path), edgeser.load(toy_path, precision=precision)
    sound = speech_like(2.0, RATE)
    stream = full.stream(RATE)
    stream.process(sound[:RATE])
    moved = other.resume(stream.state())
    assert moved.state() == stream.state()
    assert moved.state_bytes == stream.state_bytes
    got, want = moved.process(sound[RATE:]), stream.process(sound[RATE:])
    assert [frame.time for frame in got] == [frame.time for frame in want]
    np.testing.assert_allclose(probabilities(got), probabilities(want), atol=0.1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_stream_in_int8_stays_there(toy_path: Path, precision: edgeser.Precision) -> None:
    one, other = (
        edgeser.load(toy_path, precision=precision),
        edgeser.load(toy_path, precision="int8"),
    )
    for model, elsewhere in ((one, other), (other, one)):
        stream = model.stream(RATE)
        stream.process(speech_like(1.0, RATE))
        state = stream.state()
        with pytest.raises(edgeser.StateError, match=r"keeps its past in .* precision that fits"):
            elsewhere.resume(state)
        assert model.resume(state).state() == state


@pytest.mark.parametrize(("precision", "kib"), [("float32", 128), ("bfloat16", 128), ("int8", 64)])
@pytest.mark.usefixtures("bundled")
def test_a_stream_is_small(precision: edgeser.Precision, kib: int) -> None:
    model = edgeser.load(precision=precision)
    assert kib * 1024 / 4 < model.state_bytes <= kib * 1024
    stream = model.stream(model.sample_rate)
    assert len(stream.state()) < kib * 1024 + 200  # all that it is, and what says so


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.02), ("int8", 0.1)])
def test_results_are_close_but_not_the_same(
    bundled: edgeser.Model, precision: edgeser.Precision, tolerance: float
) -> None:
    sound = soxr.resample(*soundfile.read(SAMPLE, dtype="float32"), RATE)[: 6 * RATE]
    want = probabilities(bundled.stream(RATE).process(sound))
    got = probabilities(edgeser.load(precision=precision).stream(RATE).process(sound))
    assert not np.array_equal(got, want)
    np.testing.assert_allclose(got, want, atol=tolerance)


def test_an_unknown_precision_is_named(toy_path: Path) -> None:
    with pytest.raises(
        edgeser.BackendError,
        match="there is no precision 'float16'; there are float32, bfloat16, int8",
    ):
        edgeser.load(toy_path, precision="float16")  # type: ignore[arg-type]


def test_commands_take_it(toy_path: Path) -> None:
    arguments = ["doctor", "--json", "--model", str(toy_path), "--precision"]
    assert '"precision": "int8"' in CliRunner().invoke(app, [*arguments, "int8"]).output
    refused = CliRunner().invoke(app, [*arguments, "float16"])
    assert refused.exit_code == 2
    assert "bfloat16" in refused.output
