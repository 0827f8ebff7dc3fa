"""The step graph in ONNX Runtime is the stream, and their states are one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import soundfile
import soxr
from edgeser.state import FRAMES, State

import edgeser
from edgeser.bundle import Bundle, read_bundle
from edgeser.cli.demo import SAMPLE
from edgeser.errors import BundleError
from edgeser.export.precision import calibration_feeds, float16, int8
from edgeser.export.step_graph import step_graph
from edgeser.loading import DEFAULT_BUNDLE
from tests import toy
from tests.sounds import speech_like

DATA = Path(__file__).parents[3] / "shared" / "data"
STATES = ("tail", "level", "position", "rings")
HEADER = 64  # bytes of the kernel's section before its rings

Arrays = dict[str, npt.NDArray[np.generic]]


class Runner:
    """The graph of a bundle, and what a stream begins with, in a batch."""

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self.facts = self.session.get_modelmeta().custom_metadata_map

    def fresh(self, batch: int) -> Arrays:
        _, *states = self.session.get_inputs()
        kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
        made: Arrays = {s.name: np.zeros((batch, s.shape[1]), kinds[s.type]) for s in states}
        made["level"].fill(float(self.facts["level_initial"]))
        return made

    def step(self, audio: npt.NDArray[np.float32], state: Arrays) -> tuple[npt.NDArray, Arrays]:
        """Log-probabilities and the probability of speech (B, L + 1), and the new state."""
        emotions, speech, *after = self.session.run(None, {"audio": audio, **state})
        return np.concatenate([emotions, speech], axis=1), dict(zip(STATES, after, strict=True))

    def run(self, sound: npt.NDArray[np.float32]) -> tuple[npt.NDArray, Arrays]:
        """One stream hears all whole hops of a sound at the model's rate."""
        state, rows = self.fresh(1), []
        width = self.session.get_inputs()[0].shape[1]
        for at in range(0, len(sound) - width + 1, width):
            row, state = self.step(sound[None, at : at + width], state)
            rows.append(row[0])
        return np.array(rows), state


def numbers(frames: list[edgeser.EmotionFrame]) -> npt.NDArray[np.float64]:
    return np.array([[*np.log(list(f.probabilities.values())), f.speech] for f in frames])


def as_inputs(state: State) -> Arrays:
    """What a stream knows, as the graph takes it."""
    kept = state.layout.segment - state.layout.hop
    return {
        "tail": state.tail[None, -kept:].copy(),
        "level": state.level[None].copy(),
        "position": state.counters[None, FRAMES : FRAMES + 1].copy(),
        "rings": state.tacn[HEADER:].view(np.float32)[None].copy(),
    }


@pytest.fixture(scope="module", params=["toy_path", "bundled"])
def path(request: pytest.FixtureRequest) -> Path:
    if request.param == "bundled":
        return DEFAULT_BUNDLE
    return Path(request.getfixturevalue("toy_path"))


@pytest.fixture(scope="module")
def bundle(path: Path) -> Bundle:
    return read_bundle(path)


@pytest.fixture(scope="module")
def runner(bundle: Bundle) -> Runner:
    return Runner(step_graph(bundle))


@pytest.fixture(scope="module")
def shipped() -> Runner:
    return Runner(step_graph(read_bundle(DEFAULT_BUNDLE)))


def test_it_is_the_stream_and_ends_in_its_state(path: Path, runner: Runner) -> None:
    stream = edgeser.load(path).stream(16_000)
    sound = speech_like(4.0)[: 31 * 2048]
    expected = numbers(stream.process(sound))
    rows, state = runner.run(sound)
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-4)
    for name, want in as_inputs(stream._lane.state).items():
        # Rings hold numbers up to a few dozen.
        np.testing.assert_allclose(state[name], want, rtol=1e-4, atol=1e-3, err_msg=name)


def test_a_stream_goes_on_in_the_graph_after_every_ring_has_wrapped(
    path: Path, runner: Runner
) -> None:
    stream = edgeser.load(path).stream(16_000)
    stream.process(np.tile(speech_like(8.0), 9)[: 530 * 2048])
    state = as_inputs(stream._lane.state)
    assert state["position"][0, 0] == 530
    sound = speech_like(1.0, seed=5)[: 7 * 2048]
    rows = []
    for hop in sound.reshape(7, 1, 2048):
        row, state = runner.step(hop, state)
        rows.append(row[0])
    np.testing.assert_allclose(rows, numbers(stream.process(sound)), rtol=0, atol=1e-4)


def test_streams_of_different_ages_share_a_batch(runner: Runner) -> None:
    sounds = np.stack([speech_like(2.0, seed=seed)[: 14 * 2048] for seed in range(3)])
    alone = [runner.run(sound)[0] for sound in sounds]
    state = runner.fresh(3)
    begins = (0, 3, 8)  # hop at which each of them joins
    for t in range(14):
        for row, begin in enumerate(begins):
            if t == begin:
                for name, fresh in runner.fresh(1).items():
                    state[name][row] = fresh[0]
        at = [max(0, t - begin) for begin in begins]
        hops = [sound[n * 2048 : (n + 1) * 2048] for sound, n in zip(sounds, at, strict=True)]
        rows, state = runner.step(np.stack(hops), state)
        for row, begin in enumerate(begins):
            if t >= begin:
                np.testing.assert_allclose(rows[row], alone[row][t - begin], rtol=0, atol=1e-5)


def recordings() -> list[Path]:
    found = [SAMPLE]
    for corpus in ("emodb", "ravdess"):
        folder = DATA / corpus
        if folder.is_dir():
            files = sorted(p for p in folder.iterdir() if p.suffix in {".flac", ".ogg"})
            found += files[:: max(1, len(files) // 3)][:3]
    return found


@pytest.mark.parametrize("path", recordings(), ids=lambda p: p.stem)
def test_it_is_the_stream_on_real_recordings(shipped: Runner, path: Path) -> None:
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = np.asarray(soxr.resample(sound.mean(axis=1), rate, 16_000), np.float32).clip(-1, 1)
    frames = edgeser.load().stream(16_000).process(sound)
    rows, _ = shipped.run(sound)
    assert len(rows) == len(frames) > 5
    want = numbers(frames)
    worst = np.abs(np.exp(rows[:, :-1]) - np.exp(want[:, :-1])).max(axis=1)
    # Where two codes are as near as makes no difference, rounding decides: seldom and little.
    assert np.quantile(worst, 0.95) < 1e-4
    assert worst.max() < 0.02
    np.testing.assert_allclose(rows[:, -1], want[:, -1], rtol=0, atol=0.02)


@pytest.mark.parametrize(("precision", "tolerance"), [("float16", 0.05), ("int8", 0.4)])
def test_the_front_end_may_be_in_lower_precision(
    shipped: Runner, precision: str, tolerance: float
) -> None:
    bundle = read_bundle(DEFAULT_BUNDLE)
    if precision == "int8":
        graph = int8(bundle.frontend, calibration_feeds(bundle, [SAMPLE]))
    else:
        graph = float16(bundle.frontend)
    sound = speech_like(3.0)
    got = Runner(step_graph(bundle, graph)).run(sound)[0]
    error = float(np.abs(got - shipped.run(sound)[0]).mean())
    assert 1e-5 < error < tolerance


def test_calibration_hears_what_a_stream_hears() -> None:
    bundle = read_bundle(DEFAULT_BUNDLE)
    told: list[None] = []
    feeds = calibration_feeds(bundle, [SAMPLE, SAMPLE], lambda: told.append(None))
    frames = edgeser.load().analyze(SAMPLE).frames
    assert len(told) == 2
    assert len(feeds) == 2 * len(frames)
    levels = [float(feed["level"][0]) for feed in feeds[: len(frames)]]
    assert levels == [bundle.manifest.level_initial, *(f.level for f in frames[:-1])]


def test_it_says_what_it_is(bundle: Bundle, runner: Runner) -> None:
    manifest = bundle.manifest
    assert json.loads(runner.facts["labels"]) == list(manifest.labels)
    assert runner.facts["hash"] == bundle.hash
    assert int(runner.facts["sample_rate"]) == manifest.sizes.sample_rate
    assert json.loads(runner.facts["thresholds"]) == manifest.raw["thresholds"]


def test_the_same_bundle_gives_the_same_bytes(bundle: Bundle) -> None:
    assert step_graph(bundle) == step_graph(bundle, bundle.frontend)


def test_a_graph_that_is_too_old_is_named(toy_path: Path) -> None:
    model = toy.build_frontend()
    model.opset_import[0].version = 11
    old = onnx.ModelProto.SerializeToString(model)
    with pytest.raises(BundleError, match="opset 11; a step graph needs at least 13"):
        step_graph(read_bundle(toy_path), old)
