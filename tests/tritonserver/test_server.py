"""The repository in NVIDIA's server itself: hundreds of sequences over gRPC are single streams."""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import tritonclient.grpc as triton

import edgeser
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE
from edgeser.cli.demo import SAMPLE
from edgeser.export.step_graph import step_graph
from edgeser.serve.protocol import frame_event, utterance_event, version_of
from edgeser.tritonserver.repository import write_repository
from tests.sounds import speech_like
from tests.tritonserver.server import Server, find_wheel, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
HOP = 2048
BRIEF = "brief"
RATES = (8_000, 16_000, 44_100, 48_000)
OUTPUTS = ("events", "time", "label", "probabilities", "speech")
Sound = npt.NDArray[Any]
Events = list[dict[str, Any]]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With two instances; and the pool again, where two seconds of silence end it."""
    folder = tmp_path_factory.mktemp("repository")
    read = read_bundle(DEFAULT_BUNDLE)
    write_repository(folder, DEFAULT_BUNDLE, read, step_graph(read))
    own = folder / "edgeser" / "config.pbtxt"
    assert "count: 1" in own.read_text()
    own.write_text(own.read_text().replace("count: 1", "count: 2"))
    shutil.copytree(folder / "edgeser", folder / BRIEF)
    config = folder / BRIEF / "config.pbtxt"
    text = config.read_text().replace('name: "edgeser"', f'name: "{BRIEF}"')
    assert "idle_microseconds: 60000000" in text
    config.write_text(text.replace("idle_microseconds: 60000000", "idle_microseconds: 2000000"))
    return folder


@pytest.fixture(scope="module")
def server(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    packages = find_wheel()
    assert packages is not None
    made = Server(packages, repository, tmp_path_factory.mktemp("server"))
    made.start("edgeser", BRIEF)
    yield made
    made.kill()


def inputs(sound: Sound, rate: int | None = None) -> list[triton.InferInput]:
    name, kind = ("pcm", "INT16") if sound.dtype == np.int16 else ("audio", "FP32")
    given = [triton.InferInput(name, [1, len(sound)], kind)]
    given[0].set_data_from_numpy(sound[None])
    if rate is not None:
        given.append(triton.InferInput("sample_rate", [1, 1], "INT32"))
        given[1].set_data_from_numpy(np.array([[rate]], np.int32))
    return given


def told(result: triton.InferResult) -> Events:
    """The events of an answer, without its duration."""
    events = [json.loads(text) for text in result.as_numpy("events")[0]]
    for event in events:
        event.pop("latency_ms", None)
    return events


def alone(model: edgeser.Model, sound: Sound, rate: int) -> Events:
    """A single stream's events in the same format; frames first."""
    frames: list[edgeser.EmotionFrame] = []
    utterances = edgeser.Utterances(model, rate, on_frame=frames.append)
    events = utterances.process(sound) + utterances.flush()
    version = version_of(model)
    texts = [frame_event(frame, 0, version) for frame in frames]
    texts += [text for event in events if (text := utterance_event(event, version)) is not None]
    told: Events = json.loads(json.dumps(texts))
    for event in told:
        event.pop("latency_ms", None)
    return told


def of_kind(events: Events) -> tuple[Events, Events]:
    """Frames, and other events: each kind is in order across pieces."""
    frames = [event for event in events if event["type"] == "frame"]
    return frames, [event for event in events if event["type"] != "frame"]


@dataclass
class Caller:
    """A client that sends pieces of any length."""

    name: int | str
    sound: Sound
    rate: int
    at: int = 0
    begun: bool = False
    events: Events = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.at >= len(self.sound)

    def ask(self, random: np.random.Generator) -> tuple[list[triton.InferInput], dict[str, Any]]:
        piece = self.sound[self.at : self.at + int(random.integers(1, self.rate))]
        self.at += len(piece)
        flags = {"sequence_start": not self.begun, "sequence_end": self.done}
        given = inputs(piece, None if self.begun else self.rate)
        self.begun = True
        return given, {"sequence_id": self.name, **flags}


def converse(server: Server, callers: list[Caller]) -> None:
    """All at once; in each round some of them send audio, in random order."""
    random = np.random.default_rng(0)
    wanted = [triton.InferRequestedOutput("events")]
    answers: queue.Queue[tuple[Caller, Any, Any]] = queue.Queue()

    def answered(caller: Caller, result: Any, error: Any) -> None:
        answers.put((caller, result, error))

    with server.client() as client:
        while open_ones := [caller for caller in callers if not caller.done]:
            turn = [caller for caller in open_ones if random.random() < 0.7]
            for place in random.permutation(len(turn)):
                caller = turn[place]
                given, flags = caller.ask(random)
                client.async_infer(
                    "edgeser", given, partial(answered, caller), outputs=wanted, **flags
                )
            for _ in turn:
                caller, result, error = answers.get(timeout=60)
                assert error is None, str(error)
                caller.events += told(result)


def test_hundreds_of_sequences_are_single_streams(server: Server, bundled: edgeser.Model) -> None:
    callers = []
    for n in range(300):
        rate = RATES[n % 4]
        sound: Sound = speech_like(1 + n % 3 / 2, rate=rate, seed=n)
        if n % 2:
            sound = np.round(sound * 32767).astype(np.int16)
        callers.append(Caller(n + 1 if n % 3 else f"caller {n}", sound, rate))
    converse(server, callers)
    for caller in callers:
        wanted = alone(bundled, caller.sound, caller.rate)
        assert of_kind(caller.events) == of_kind(wanted), caller.name
    assert sum(event["type"] == "utterance" for c in callers for event in c.events) > 200


def test_numbers_for_who_wants_no_text(server: Server, bundled: edgeser.Model) -> None:
    sound = speech_like(3.0)
    with server.client() as client:
        result = client.infer(
            "edgeser",
            inputs(sound),
            outputs=[triton.InferRequestedOutput(name) for name in OUTPUTS],
            sequence_id=5000,
            sequence_start=True,
            sequence_end=True,
        )
    frames = [event for event in told(result) if event["type"] == "frame"]
    assert result.as_numpy("time")[0].tolist() == [frame["time"] for frame in frames]
    shares = np.array([[*frame["probabilities"].values()] for frame in frames], np.float32)
    np.testing.assert_array_equal(result.as_numpy("probabilities")[0], shares)
    assert result.as_numpy("speech")[0] == pytest.approx([frame["speech"] for frame in frames])
    labels = [None if n < 0 else bundled.labels[n] for n in result.as_numpy("label")[0]]
    assert labels == [frame["label"] for frame in frames]


def test_what_is_wrong_is_said_and_the_others_go_on(server: Server, bundled: edgeser.Model) -> None:
    sound = speech_like(2.0)
    with server.client() as client:
        ask = partial(client.infer, "edgeser")
        first = ask(inputs(sound[:9_000]), sequence_id=1, sequence_start=True)
        with pytest.raises(triton.InferenceServerException, match="NaN") as refused:
            ask(inputs(np.full(100, np.nan, np.float32)), sequence_id=1)
        assert "INVALID_ARGUMENT" in refused.value.status()
        with pytest.raises(triton.InferenceServerException, match="8000 to 192000 Hz"):
            ask(inputs(sound, 5), sequence_id=2, sequence_start=True)
        with pytest.raises(triton.InferenceServerException, match="sequence_start"):
            ask(inputs(sound), sequence_id=2)
        last = ask(inputs(sound[9_000:]), sequence_id=1)
        end = ask(inputs(np.zeros(0, np.float32)), sequence_id=1, sequence_end=True)
    events = told(first) + told(last) + told(end)
    assert of_kind(events) == of_kind(alone(bundled, sound, 16_000))


def ignored(result: Any, error: Any) -> None:
    del result, error


def test_clients_that_vanish_leave_their_place(server: Server, bundled: edgeser.Model) -> None:
    sound = speech_like(2.0)
    here = server.client()
    kept = told(here.infer(BRIEF, inputs(sound[:9_000]), sequence_id=1, sequence_start=True))
    for n in range(200):
        gone = server.client()  # closed in the midst of its request
        gone.async_infer(
            BRIEF,
            inputs(sound),
            callback=ignored,
            sequence_id=10_000 + n,
            sequence_start=True,
        )
        gone.close()
        if n % 50 == 49:
            kept += told(here.infer(BRIEF, inputs(sound[:0]), sequence_id=1))
    kept += told(here.infer(BRIEF, inputs(sound[9_000:]), sequence_id=1, sequence_end=True))
    assert of_kind(kept) == of_kind(alone(bundled, sound, 16_000))
    time.sleep(3)
    with pytest.raises(triton.InferenceServerException, match="START flag"):
        here.infer(BRIEF, inputs(sound), sequence_id=10_000)
    here.close()


def test_after_a_crash_sequences_begin_anew(server: Server, bundled: edgeser.Model) -> None:
    sound = speech_like(2.0)
    with server.client() as client:
        client.infer("edgeser", inputs(sound), sequence_id=77, sequence_start=True)
    server.kill()
    with server.client() as client, pytest.raises(triton.InferenceServerException):
        client.infer("edgeser", inputs(sound), sequence_id=77)
    server.start("edgeser", BRIEF)
    with server.client() as client:
        with pytest.raises(triton.InferenceServerException, match="START flag"):
            client.infer("edgeser", inputs(sound), sequence_id=77)
        again = client.infer(
            "edgeser", inputs(sound), sequence_id=77, sequence_start=True, sequence_end=True
        )
    assert of_kind(told(again)) == of_kind(alone(bundled, sound, 16_000))


def test_the_example(server: Server, bundled: edgeser.Model) -> None:
    example = Path(__file__).parents[2] / "examples" / "triton_client.py"
    command = [sys.executable, str(example), str(SAMPLE), f"127.0.0.1:{server.port}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    sound, rate = soundfile.read(SAMPLE, dtype="int16")
    wanted = [event for event in alone(bundled, sound, rate) if event["type"] == "utterance"]
    assert [line.split()[2] for line in done.stdout.splitlines()] == [
        str(event["label"]) for event in wanted
    ]


STAND_IN = '''
import triton_python_backend_utils as pb
import numpy as np

class TritonPythonModel:
    def execute(self, requests):
        """The first value of every input, by name."""
        answers = []
        for request in requests:
            given = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            firsts = {name: (value.shape, float(value.flat[0])) for name, value in given.items()}
            answers.append(pb.InferenceResponse(error=pb.TritonError(repr(firsts))))
        return answers
'''


def test_the_server_takes_the_step_graphs_configuration(repository: Path, tmp_path: Path) -> None:
    """It lacks the backend, so a Python one returns the inputs of a first request."""
    packages = find_wheel()
    assert packages is not None
    model = tmp_path / "repository" / "edgeser_step"
    shutil.copytree(repository / "edgeser_step", model)
    (model / "1" / "model.onnx").unlink()
    (model / "1" / "model.py").write_text(STAND_IN)
    config = (model / "config.pbtxt").read_text()
    config = re.sub(r'backend: "onnxruntime"\nplatform: .*', 'backend: "python"', config)
    (model / "config.pbtxt").write_text(config)
    (tmp_path / "server").mkdir()
    server = Server(packages, tmp_path / "repository", tmp_path / "server")
    server.start("edgeser_step")
    try:
        with server.client() as client, pytest.raises(triton.InferenceServerException) as seen:
            client.infer(
                "edgeser_step",
                inputs(np.full(HOP, 0.5, np.float32)),
                sequence_id=1,
                sequence_start=True,
            )
    finally:
        server.kill()
    text = str(seen.value)
    for name, width, first in (("audio", HOP, 0.5), ("tail", 2176, 0.0), ("level", 1, -1000.0)):
        assert f"'{name}': ((1, {width}), {first})" in text
