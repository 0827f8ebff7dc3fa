"""The examples, run as a user would run them."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

import edgeser
from tests import toy
from tests.serve.conftest import Start, start

__all__ = ["start"]  # a fixture

EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE = Path(edgeser.__file__).parent / "samples" / "voices.ogg"


def run(name: str, *arguments: str, stdin: bytes = b"") -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def spoken(tmp_path: Path, seconds: float = 15.0) -> Path:
    """The sample as a 16 kHz WAV."""
    import soxr

    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    path = tmp_path / "talk.wav"
    soundfile.write(path, soxr.resample(samples[: int(seconds * rate)], rate, 16_000), 16_000)
    return path


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.glob("*.py"):
        assert f"`{path.name}`" in listed


def test_robot_loop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sound, rate = soundfile.read(SAMPLE, dtype="float32")
    ears = edgeser.Utterances(edgeser.load(), rate)
    events = [*ears.process(sound), *ears.flush()]
    monkeypatch.setattr(edgeser, "listen_for_utterances", lambda: iter(events))
    runpy.run_path(str(EXAMPLES / "robot_loop.py"))
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "turn towards the voice"
    assert set(said) & {"step back", "lean in", "nod", "look up", "wait"}


def test_stdin_pipe(tmp_path: Path) -> None:
    path = spoken(tmp_path)
    samples, _ = soundfile.read(path, dtype="int16")
    lines = run("stdin_pipe.py", stdin=samples.tobytes() + b"\0").splitlines()
    ours = edgeser.Utterances(edgeser.load(), 16_000)
    events = [*ours.process(samples), *ours.flush()]
    labels = [e.label for e in events if isinstance(e, edgeser.Utterance)]
    assert [json.loads(line)["label"] for line in lines] == labels
    assert labels


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg here")
def test_ffmpeg_into_the_pipe(tmp_path: Path) -> None:
    (command,) = re.findall(
        r"^    (ffmpeg .*)$", (EXAMPLES / "stdin_pipe.py").read_text(), re.MULTILINE
    )
    subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", SAMPLE, tmp_path / "talk.mp4"], check=True
    )
    command = command.replace("python examples", f"{shlex.quote(sys.executable)} {EXAMPLES}")
    piped = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=tmp_path, capture_output=True, check=True
    )
    assert json.loads(piped.stdout.splitlines()[0])["end"] > 0


def test_asyncio_service(tmp_path: Path) -> None:
    samples, _ = soundfile.read(spoken(tmp_path), dtype="int16")

    def speak(port: int) -> list[dict[str, object]]:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(samples.tobytes() + b"\0")
            connection.shutdown(socket.SHUT_WR)
            return [json.loads(line) for line in connection.makefile()]

    command = [sys.executable, str(EXAMPLES / "asyncio_service.py"), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        port = int(service.stdout.readline().split()[-1])
        with ThreadPoolExecutor(3) as clients:
            told = list(clients.map(speak, [port] * 3))
        service.terminate()
    ours = edgeser.Utterances(edgeser.load(), 16_000)
    events = [*ours.process(samples), *ours.flush()]
    expected = [e.end for e in events if isinstance(e, edgeser.Utterance)]
    for lines in told:
        # It forgets between utterances too, but where its chunks end.
        assert [line["end"] for line in lines] == pytest.approx(expected, abs=0.5)


def test_hand_over(tmp_path: Path) -> None:
    path = spoken(tmp_path)
    said = run("hand_over.py", str(path))
    analysis = edgeser.load().analyze(path)
    counts = [int(line.split(": ")[1].split()[0]) for line in said.splitlines()[:2]]
    assert sum(counts) == len(analysis.frames)
    assert said.splitlines()[-1] == f"{analysis.verdict.confidence:.6f}"


def test_hot_reload(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = tmp_path / "model.edgeser"
    shutil.copy(Path(edgeser.__file__).parent / "models" / "default.edgeser", bundle)
    samples, _ = soundfile.read(spoken(tmp_path), dtype="int16")
    ears = module("hot_reload").Reloading(bundle, 16_000)
    first = ears.model.hash

    def hear(begin: float, end: float) -> list[edgeser.UtteranceEvent]:
        return ears.process(samples[int(16_000 * begin) : int(16_000 * end)])

    silence = np.zeros(8_000, np.int16)
    bundle.write_bytes(b"half")
    ears.process(silence)  # begins to load
    assert ears._loader.submit(lambda: True).result()
    ears.process(silence)
    assert ears.model.hash == first  # a broken file changes nothing
    assert "kept the old model" in capsys.readouterr().out

    assert any(isinstance(event, edgeser.SpeechStarted) for event in hear(0, 2))
    toy.write_bundle(tmp_path / "new", toy.manifest(), toy.frontend(), toy.tensors())
    (tmp_path / "new").replace(bundle)
    hear(2, 2.5)
    assert ears._loader.submit(lambda: True).result()
    hear(2.5, 2.6)
    assert ears.model.hash == first  # somebody is speaking
    ended = [
        event
        for begin in np.arange(2.6, 6.6)
        for event in hear(begin, begin + 1)
        if isinstance(event, edgeser.Utterance)
    ]
    ended += ears.process(np.zeros(32_000, np.int16))[-1:]
    ears.process(silence)
    assert ears._loader.submit(lambda: True).result()
    ears.process(silence)
    assert ears.model.hash != first
    assert all(isinstance(event, edgeser.Utterance) for event in ended)
    assert ended[-1].end > 2.0  # on the same clock: 1 s before the sample, and what was heard of it


def test_custom_model(tmp_path: Path) -> None:
    toy.write_bundle(tmp_path / "mine.edgeser", toy.manifest(), toy.frontend(), toy.tensors())
    said = run("custom_model.py", str(tmp_path / "mine.edgeser"), str(spoken(tmp_path, 1.0)))
    assert "tells" in said


def test_serve_client(start: Start, tmp_path: Path) -> None:
    address, _ = start()
    said = run("serve_client.py", str(spoken(tmp_path)), f"ws://{address}")
    assert " s  " in said.splitlines()[0]


def test_smallest_ros_node_hears_the_same_however_messages_are_cut() -> None:
    import soxr

    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    sound = (32767 * soxr.resample(samples, rate, 16_000)).astype("<i2")
    content = sound.tobytes() + bytes(64_000)
    told: list[list[str]] = []
    for size in (4_096, 4_095, 1):
        said: list[str] = []
        topic = module("ros2_node").EmotionTopic(said.append, 16_000)
        topic.hear(b"")
        if size == 1:
            topic.hear(content[:1])
            topic.hear(content[1:-1])
            topic.hear(content[-1:])
        else:
            for at in range(0, len(content), size):
                topic.hear(content[at : at + size])
        told.append(said)
    assert told[0]
    assert told[1:] == [told[0], told[0]]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("asyncio_service.py", ["port"]),
        ("custom_model.py", []),
        ("custom_model.py", ["none.edgeser", "none.wav"]),
        ("hand_over.py", ["none.wav"]),
        ("hot_reload.py", ["none.edgeser"]),
        ("serve_client.py", ["none.wav"]),
        ("serve_client.py", [str(SAMPLE), "ws://127.0.0.1:1"]),
        ("stdin_pipe.py", ["what"]),
        ("ros2_node.py", []),
    ],
)
def test_what_is_wrong_is_one_line(name: str, arguments: list[str]) -> None:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(
        command, input="", capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr


def test_ctrl_c_ends_without_a_word() -> None:
    command = [sys.executable, str(EXAMPLES / "asyncio_service.py"), "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        assert service.stdout.readline()
        service.send_signal(signal.SIGINT)
        _, errors = service.communicate(timeout=60)
    assert (service.returncode, errors) == (0, "")


def test_a_client_that_vanishes_is_no_error() -> None:
    command = [sys.executable, str(EXAMPLES / "asyncio_service.py"), "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        port = int(service.stdout.readline().split()[-1])
        for _ in range(3):
            client = socket.create_connection(("127.0.0.1", port), timeout=60)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(bytes(40_000))
            client.close()  # a reset: not even goodbye
        with socket.create_connection(("127.0.0.1", port), timeout=60) as other:
            other.sendall(bytes(40_000))
            service.send_signal(signal.SIGINT)  # while somebody is connected
            _, errors = service.communicate(timeout=60)
    assert (service.returncode, errors) == (0, "")


def test_a_server_that_is_full_is_one_line(start: Start, tmp_path: Path) -> None:
    from websockets.sync.client import connect

    address, _ = start("--connections", "1")
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(16_000 * 600, np.int16), 16_000)
    with connect(f"ws://{address}/v1/stream?rate=16000&format=int16") as first:
        first.recv()
        command = [sys.executable, str(EXAMPLES / "serve_client.py"), path, f"ws://{address}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("serve_client: ")
    assert done.stderr.count("\n") == 1, done.stderr
