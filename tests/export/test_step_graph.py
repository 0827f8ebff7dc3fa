"""The step graph in ONNX Runtime equals a stream, and they share one state format."""

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

import edgeser
from edgeser.bundle import Bundle, read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli.demo import SAMPLE
from edgeser.errors import BundleError
from edgeser.export.precision import calibration_feeds, float16, int8
from edgeser.export.step_graph import step_graph
from edgeser.reference.stream import ReferenceStream
from tests import toy
from tests.sounds import speech_like

DATA = Path(__file__).parents[3] / "shared" / "data"
HOP = 2048

Arrays = dict[str, npt.NDArray[np.generic]]


class Runner:
    """The graph of a bundle, and the initial state of a batch."""

    def __init__(self, graph: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        self.facts = self.session.get_modelmeta().custom_metadata_map

    def fresh(self, batch: int) -> Arrays:
        states = self.session.get_inputs()[1:]
        kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
        made: Arrays = {s.name: np.zeros((batch, s.shape[1]), kinds[s.type]) for s in states}
        made["level"].fill(float(self.facts["level_initial"]))
        return made

    def step(self, audio: npt.NDArray[np.float32], state: Arrays) -> tuple[npt.NDArray, Arrays]:
        """Log-probabilities and the probability of speech (B, L + 1), and the new state."""
        emotions, speech, *after = self.session.run(None, {"audio": audio, **state})
        names = [given.name for given in self.session.get_inputs()[1:]]
        return np.concatenate([emotions, speech], axis=1), dict(zip(names, after, strict=True))

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


def assert_same(
    rows: npt.NDArray[np.floating], wanted: npt.NDArray[np.floating], most: float = 0.02
) -> None:
    """Where two codes are equally near, rounding decides: rarely, and with little effect."""
    worst = np.abs(np.exp(rows[:, :-1]) - np.exp(wanted[:, :-1])).max(axis=1)
    assert np.quantile(worst, 0.95) < 1e-4, worst
    assert worst.max() < most
    np.testing.assert_allclose(rows[:, -1], wanted[:, -1], rtol=0, atol=most)


def conversation(seed: int = 0, speaking: int = 16, silent: int = 11) -> npt.NDArray[np.float32]:
    """Speech and pauses in turn, of whole hops: digital silence, and a little noise."""
    random = np.random.default_rng(seed)
    parts = []
    for turn in range(3):
        parts.append(speech_like(speaking * HOP / 16_000, seed=seed + turn)[: speaking * HOP])
        noise = 1e-4 * (turn % 2) * random.standard_normal(silent * HOP)
        parts.append(noise.astype(np.float32))
    return np.concatenate(parts)


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


@pytest.mark.parametrize("adapt", [True, False])
def test_it_is_the_stream_through_pauses(path: Path, bundle: Bundle, adapt: bool) -> None:
    stream = edgeser.load(path).stream(16_000, adapt=adapt, every_hop=True)
    sound = conversation()
    expected = numbers(stream.process(sound))
    rows, state = Runner(step_graph(bundle, adapt=adapt)).run(sound)
    assert_same(rows, expected)
    assert state["speaker_utterances"][0, 0] == stream.speaker.utterances
    is_open = rows[:, -1] >= bundle.manifest.thresholds.speech
    assert is_open.any()
    assert not is_open[19:26].any()  # of digital silence


def test_it_is_the_numpy_reference(toy_path: Path) -> None:
    bundle = read_bundle(toy_path)
    sound = conversation(seed=3, speaking=6, silent=11)
    stream = ReferenceStream(bundle, adapt=True, every_hop=True)
    frames = stream.process(sound)
    rows, state = Runner(step_graph(bundle, adapt=True)).run(sound)
    expected = [[*np.log(frame.probabilities), frame.speech] for frame in frames]
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-4)
    np.testing.assert_allclose(state["speaker_mean"][0], stream.speaker.mean, atol=1e-4)
    np.testing.assert_allclose(state["speaker_square"][0], stream.speaker.square, atol=1e-4)
    assert state["speaker_utterances"][0, 0] == stream.speaker.utterances > 0
    assert sum(frame.begins for frame in frames) > 1


def test_rings_wrap_around(path: Path, runner: Runner) -> None:
    sound = np.tile(speech_like(8.0)[: 60 * HOP], 9)
    expected = numbers(edgeser.load(path).stream(16_000, every_hop=True).process(sound))
    assert_same(runner.run(sound)[0], expected)


def test_a_row_that_is_closed_keeps_its_state(bundle: Bundle, runner: Runner) -> None:
    _, after = runner.run(speech_like(1.0)[: 7 * HOP])
    silent = np.zeros((1, HOP), np.float32)
    for _ in range(3):  # a segment is a little more than two hops
        state = after
        row, after = runner.step(silent, state)
    assert state["position"][0, 0] > 0
    assert row[0, -1] == 0
    np.testing.assert_allclose(np.exp(row[0, :-1]), 1 / len(bundle.manifest.labels), rtol=1e-6)
    for name in ("rings", "level", "position", "speaker_sum", "speaker_mean"):
        np.testing.assert_array_equal(after[name], state[name], err_msg=name)


def test_streams_of_different_ages_share_a_batch(runner: Runner) -> None:
    sounds = np.stack([conversation(seed, 5, 9)[: 30 * HOP] for seed in range(3)])
    alone = [runner.run(sound)[0] for sound in sounds]
    state = runner.fresh(3)
    begins = (0, 3, 8)  # hop at which each of them joins
    for t in range(30):
        for row, begin in enumerate(begins):
            if t == begin:
                for name, fresh in runner.fresh(1).items():
                    state[name][row] = fresh[0]
        at = [max(0, t - begin) for begin in begins]
        hops = [sound[n * HOP : (n + 1) * HOP] for sound, n in zip(sounds, at, strict=True)]
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
    sound[sound == 0] = 1e-7  # after digital silence a stream lets a hop begin with the sound
    frames = edgeser.load().stream(16_000, every_hop=True).process(sound)
    rows, _ = shipped.run(sound)
    assert len(rows) == len(frames) > 5
    assert_same(rows, numbers(frames))


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
    assert float(feeds[0]["level"][0]) == bundle.manifest.level_initial


def test_it_says_what_it_is(bundle: Bundle, runner: Runner) -> None:
    manifest = bundle.manifest
    assert json.loads(runner.facts["labels"]) == list(manifest.labels)
    assert runner.facts["hash"] == bundle.hash
    assert int(runner.facts["sample_rate"]) == manifest.sizes.sample_rate
    assert json.loads(runner.facts["thresholds"]) == manifest.raw["thresholds"]
    assert int(runner.facts["pause"]) == manifest.pause
    assert json.loads(runner.facts["adapt"]) == manifest.speaker.adapt


def test_the_same_bundle_gives_the_same_bytes(bundle: Bundle) -> None:
    assert step_graph(bundle) == step_graph(bundle, bundle.frontend)


def test_a_graph_that_is_too_old_is_named(toy_path: Path) -> None:
    model = toy.build_frontend()
    model.opset_import[0].version = 11
    old = onnx.ModelProto.SerializeToString(model)
    with pytest.raises(BundleError, match="opset 11; a step graph needs at least 13"):
        step_graph(read_bundle(toy_path), old)
