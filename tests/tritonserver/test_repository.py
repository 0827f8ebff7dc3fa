"""Repositories written by `edgeser export --triton-repository` are valid for the server.

The server that can be had as a wheel has neither the ONNX Runtime nor the TensorRT backend. So the
step graph's configuration is parsed by the server's own protobuf and held against the graph, and
the graph driven as the server says that it would.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

import edgeser
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.export.step_graph import step_graph
from edgeser.tritonserver import repository
from tests.cli.test_commands import run
from tests.sounds import speech_like

HOP = 2048
KINDS = {"TYPE_FP32": ("tensor(float)", np.float32), "TYPE_INT64": ("tensor(int64)", np.int64)}


def parsed(file: Path) -> Any:
    return text_format.Parse(file.read_text(encoding="utf-8"), model_config_pb2.ModelConfig())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton") / "repository"
    done = run("export", "--triton-repository", folder, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    written = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert json.loads(done.stdout)["files"]["triton_repository"] == {
        "path": str(folder),
        "bytes": written,
    }
    return folder


def test_the_pools_configuration(folder: Path) -> None:
    config = parsed(folder / "edgeser" / "config.pbtxt")
    assert (config.name, config.backend) == ("edgeser", "python")
    assert (folder / "edgeser" / "1" / "model.edgeser").read_bytes() == DEFAULT_BUNDLE.read_bytes()
    assert [(given.name, given.optional) for given in config.input] == [
        ("audio", True),
        ("pcm", True),
        ("sample_rate", True),
    ]
    labels = json.loads(config.parameters["labels"].string_value)
    assert tuple(labels) == edgeser.load().labels
    assert config.parameters["model_hash"].string_value == edgeser.load().hash
    assert list(config.output[3].dims) == [-1, len(labels)]
    assert config.sequence_batching.max_sequence_idle_microseconds == 60_000_000
    assert config.sequence_batching.oldest.max_candidate_sequences == 4096
    compile((folder / "edgeser" / "1" / "model.py").read_text(), "model.py", "exec")


def test_the_step_graphs_configuration_is_the_graph(folder: Path) -> None:
    config = parsed(folder / "edgeser_step" / "config.pbtxt")
    assert (config.backend, config.platform) == ("onnxruntime", "onnxruntime_onnx")
    session = onnxruntime.InferenceSession(folder / "edgeser_step" / "1" / "model.onnx")
    states = config.sequence_batching.state
    enum = model_config_pb2.DataType.Name

    def told(values: Any) -> dict[str, tuple[str, list[int]]]:
        return {value.name: (value.type, value.shape[1:]) for value in values}

    assert told(session.get_inputs()) == {
        **{i.name: (KINDS[enum(i.data_type)][0], list(i.dims)) for i in config.input},
        **{s.input_name: (KINDS[enum(s.data_type)][0], list(s.dims)) for s in states},
    }
    assert told(session.get_outputs()) == {
        **{o.name: (KINDS[enum(o.data_type)][0], list(o.dims)) for o in config.output},
        **{s.output_name: (KINDS[enum(s.data_type)][0], list(s.dims)) for s in states},
    }
    for state in states:
        (first,) = state.initial_state
        assert (first.data_type, first.dims) == (state.data_type, state.dims)
        assert first.name == state.input_name


def test_the_server_pairs_states_by_the_order_of_their_names(folder: Path) -> None:
    """triton-inference-server/server#8586: not by which output belongs to which input."""
    states = parsed(folder / "edgeser_step" / "config.pbtxt").sequence_batching.state
    before = sorted(state.input_name for state in states)
    after = sorted(state.output_name for state in states)
    assert after == [f"{name}_out" for name in before]


class Server:
    """The sequence batcher with implicit state, as documented."""

    def __init__(self, folder: Path) -> None:
        self.config = parsed(folder / "config.pbtxt")
        self.states = self.config.sequence_batching.state
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(folder / "1" / "model.onnx", options)
        self.kept: dict[int, dict[str, npt.NDArray[Any]]] = {}
        self.first = {}
        for state in self.states:
            (initial,) = state.initial_state
            kind = KINDS[model_config_pb2.DataType.Name(initial.data_type)][1]
            data = bytes(int(np.prod(initial.dims)) * np.dtype(kind).itemsize)
            if not initial.zero_data:
                data = (folder / "initial_state" / initial.data_file).read_bytes()
            self.first[state.input_name] = np.frombuffer(data, kind).reshape(1, *initial.dims)

    def infer(self, requests: dict[int, npt.NDArray[np.float32]]) -> dict[int, npt.NDArray[Any]]:
        """One request each of some sequences, in batches."""
        waiting, answers = list(requests), {}
        while waiting:
            rows = [waiting.pop(0) for _ in range(min(len(waiting), self.config.max_batch_size))]
            kept = [self.kept.get(row, self.first) for row in rows]
            feeds = {name: np.concatenate([state[name] for state in kept]) for name in self.first}
            feeds["audio"] = np.stack([requests[row] for row in rows])
            names = [output.name for output in self.config.output]
            names += [state.output_name for state in self.states]
            got = dict(zip(names, self.session.run(names, feeds), strict=True))
            for place, row in enumerate(rows):
                self.kept[row] = {
                    state.input_name: got[state.output_name][place : place + 1]
                    for state in self.states
                }
                answers[row] = np.concatenate([got[o.name][place] for o in self.config.output])
        return answers


def test_driven_as_the_server_would(folder: Path, bundled: edgeser.Model) -> None:
    server = Server(folder / "edgeser_step")
    sounds = {n: speech_like(1.2 + n % 3 / 2, seed=n) for n in range(66)}  # more than a batch
    sounds = {n: sound[: len(sound) // HOP * HOP] for n, sound in sounds.items()}
    got: dict[int, list[npt.NDArray[Any]]] = {n: [] for n in sounds}
    for turn in range(30):
        requests = {
            n: sounds[n][at : at + HOP]
            for n in sounds
            if n % 5 <= turn  # they begin one after the other
            and (at := len(got[n]) * HOP) < len(sounds[n])
        }
        for n, answer in server.infer(requests).items():
            got[n].append(answer)
    apart = []
    for n, sound in sounds.items():
        frames = bundled.stream(16_000, every_hop=True).process(sound)
        assert len(frames) == len(got[n])
        wanted = np.array([[*f.probabilities.values(), f.speech] for f in frames])
        answers = np.array(got[n])
        answers[:, :-1] = np.exp(answers[:, :-1])
        apart.append(np.abs(answers - wanted).max(axis=1))
    worst = np.concatenate(apart)
    # Where two codes are as near as makes no difference, rounding decides: seldom and little.
    assert np.quantile(worst, 0.95) < 1e-4
    assert worst.max() < 0.05


def test_an_engine_takes_the_graphs_place(tmp_path: Path, toy_path: Path) -> None:
    read = read_bundle(toy_path)
    graph = step_graph(read)
    repository.write_repository(tmp_path, toy_path, read, graph, b"engine", batch=16)
    config = parsed(tmp_path / "edgeser_step" / "config.pbtxt")
    assert (config.backend, config.platform) == ("tensorrt", "tensorrt_plan")
    assert config.max_batch_size == 16
    assert (tmp_path / "edgeser_step" / "1" / "model.plan").read_bytes() == b"engine"
    assert not (tmp_path / "edgeser_step" / "1" / "model.onnx").exists()


def test_an_engine_that_the_server_does_not_load_is_refused(tmp_path: Path) -> None:
    engine = tmp_path / "step.engine"
    options = ["--tensorrt-step", engine, "--target", "sm_89"]
    done = run("export", "--triton-repository", tmp_path, *options)
    assert done.returncode == 2
    assert "does not load" in " ".join(done.stderr.split())
    assert not engine.exists()
