"""The examples, run as somebody would run them."""

from __future__ import annotations

import importlib.util
import json
import runpy
import shutil
import subprocess
import sys
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
def test_ffmpeg_into_the_pipe() -> None:
    command = ["ffmpeg", "-loglevel", "error", "-i", str(SAMPLE), "-f", "s16le"]
    command += ["-ac", "1", "-ar", "16000", "-"]
    raw = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(run("stdin_pipe.py", stdin=raw.stdout).splitlines()[0])["end"] > 0


def test_asyncio_service(tmp_path: Path) -> None:
    path = spoken(tmp_path)
    said = run("asyncio_service.py", str(path), str(SAMPLE))
    verdict = edgeser.load().analyze(path).verdict.summary
    assert f"talk.wav: {verdict}" in said
    assert "voices.ogg: " in said


def test_hand_over(tmp_path: Path) -> None:
    path = spoken(tmp_path)
    said = run("hand_over.py", str(path))
    analysis = edgeser.load().analyze(path)
    counts = [int(line.split(": ")[1].split()[0]) for line in said.splitlines()[:2]]
    assert sum(counts) == len(analysis.frames)
    assert said.splitlines()[-1] == f"{analysis.verdict.confidence:.6f}"


def test_hot_reload(tmp_path: Path) -> None:
    bundle = tmp_path / "model.edgeser"
    shutil.copy(Path(edgeser.__file__).parent / "models" / "default.edgeser", bundle)
    reloading = module("hot_reload").Reloading(bundle, 16_000)
    first = reloading.model.hash
    reloading.process(np.zeros(8_000, np.float32))
    assert reloading.model.hash == first
    bundle.write_bytes(b"half")
    reloading.process(np.zeros(8_000, np.float32))
    assert reloading.model.hash == first  # a broken file changes nothing
    toy.write_bundle(tmp_path / "new", toy.manifest(), toy.frontend(), toy.tensors())
    (tmp_path / "new").replace(bundle)
    reloading.process(np.zeros(8_000, np.float32))
    assert reloading.model.hash != first


def test_ros_topic() -> None:
    import soxr

    samples, rate = soundfile.read(SAMPLE, dtype="float32")
    sound = (32767 * soxr.resample(samples, rate, 16_000)).astype("<i2")
    sound = np.concatenate([sound, np.zeros(32_000, "<i2")])
    told: list[str] = []
    topic = module("ros2_node").EmotionTopic(told.append)
    topic.hear(b"")
    for at in range(0, len(sound), 1_024):
        topic.hear(sound[at : at + 1_024].tobytes())
    assert told
    assert {"label", "confidence", "start", "end"} == set(json.loads(told[0]))


def test_custom_model(tmp_path: Path) -> None:
    toy.write_bundle(tmp_path / "mine.edgeser", toy.manifest(), toy.frontend(), toy.tensors())
    said = run("custom_model.py", str(tmp_path / "mine.edgeser"), str(spoken(tmp_path, 1.0)))
    assert "tells" in said


def test_serve_client(start: Start, tmp_path: Path) -> None:
    address, _ = start()
    said = run("serve_client.py", str(spoken(tmp_path)), f"ws://{address}")
    assert " s  " in said.splitlines()[0]
