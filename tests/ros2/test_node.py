"""The node with a stand-in for rclpy, and the packages' files."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ET
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

import edgeser
from tests.ros2.stand_in import ROS2, Messages, Node, Outcome
from tests.ros2.test_parts import BEGAN, SAMPLE, SECOND

STATE = SimpleNamespace()


def node(**values: object) -> Any:
    from edgeser_ros.node import EdgeserNode

    Node.values = {"sample_rate": 22_050, **values}
    return EdgeserNode()


def started(**values: object) -> Any:
    made = node(**values)
    assert made.on_configure(STATE) is Outcome.SUCCESS
    assert made.on_activate(STATE) is Outcome.SUCCESS
    return made


def voices() -> bytes:
    samples, rate = soundfile.read(SAMPLE, dtype="int16")
    return bytes(np.concatenate([samples, np.zeros(2 * rate, np.int16)]).tobytes())


def stamped(ros: Messages, data: bytes, at: int) -> object:
    c = ros.classes
    time = c["builtin_interfaces/Time"](sec=at // SECOND, nanosec=at % SECOND)
    header = c["std_msgs/Header"](stamp=time, frame_id="head_mic")
    audio = c["audio_common_msgs/AudioData"](data=list(data))
    return c["audio_common_msgs/AudioDataStamped"](header=header, audio=audio)


def test_stamped_audio_becomes_messages(ros: Messages) -> None:
    made = started(publish_json=True)
    raw = voices()
    hear = made.subscribed["audio_stamped"].hear
    for at in range(0, len(raw), 20_001):
        hear(stamped(ros, raw[at : at + 20_001], BEGAN + at // 2 * SECOND // 22_050))
    told = made.publishers["~/utterance"].told
    begun = made.publishers["~/speech_started"].told
    ours = edgeser.Utterances(edgeser.load(), 22_050)
    events = ours.process(np.frombuffer(raw, np.int16))
    expected = [e.label or "" for e in events if isinstance(e, edgeser.Utterance)]
    assert [m.label for m in told] == expected
    assert expected
    assert [m.header.stamp.nanosec for m in told] == [m.header.stamp.nanosec for m in begun]
    for message in told:
        assert message.header.frame_id == "head_mic"
        assert message.header.stamp.sec >= BEGAN // SECOND
        assert sum(message.probabilities) == pytest.approx(1.0, abs=1e-5)
        assert message.labels == list(edgeser.load().labels)
        assert message.ended == message.ENDED_BY_SILENCE
        assert 0 < message.speech_seconds <= message.end.sec + 1 - message.header.stamp.sec
    assert len(made.publishers["~/frame"].told) > 100
    assert len(made.publishers["~/utterance_json"].told) == len(expected)
    (made.timers[0])()
    (status,) = made.publishers["/diagnostics"].told[0].status
    assert (status.level, status.message) == (b"\0", "listening")
    assert status.hardware_id == "topic /audio_stamped"


def test_deactivating_tells_what_was_being_said_and_cleaning_up_leaves_nothing(
    ros: Messages,
) -> None:
    made = started(publish_frames=False)
    made.subscribed["audio_stamped"].hear(stamped(ros, voices()[: 4 * 44_100], BEGAN))
    publisher = made.publishers["~/utterance"]
    assert not publisher.told
    assert made.on_deactivate(STATE) is Outcome.SUCCESS
    (message,) = publisher.told
    assert message.ended == message.ENDED_BY_FLUSH
    assert not made.subscribed
    assert made.on_activate(STATE) is Outcome.SUCCESS
    assert made.on_deactivate(STATE) is Outcome.SUCCESS
    assert made.on_cleanup(STATE) is Outcome.SUCCESS
    assert not made.publishers
    assert not made.timers
    assert made.on_configure(STATE) is Outcome.SUCCESS  # and again
    assert made.on_shutdown(STATE) is Outcome.SUCCESS


def test_plain_audio_is_stamped_as_it_arrives(ros: Messages) -> None:
    made = started(audio_type="plain", frame_id="chest")
    raw, arrived = voices(), 0
    for at in range(0, len(raw), 22_050):
        arrived = BEGAN + (at + 22_050) // 2 * SECOND // 22_050
        made.nanoseconds = arrived
        made.subscribed["audio"].hear(
            ros.classes["audio_common_msgs/AudioData"](data=list(raw[at : at + 22_050]))
        )
    first = made.publishers["~/utterance"].told[0]
    assert first.header.frame_id == "chest"
    begin = first.header.stamp.sec * SECOND + first.header.stamp.nanosec
    assert BEGAN + 0.2 * SECOND < begin < BEGAN + 1.0 * SECOND  # 0.6 s in the recording


def test_mp3_is_refused_by_name_and_diagnosed(ros: Messages) -> None:
    made = started()
    info = ros.classes["audio_common_msgs/AudioInfo"]
    mp3 = info(channels=1, sample_rate=22_050, sample_format="S16LE", coding_format="mp3")
    made.subscribed["audio_info"].hear(mp3)
    made.subscribed["audio_stamped"].hear(stamped(ros, voices()[:9_999], BEGAN))
    assert not made.publishers["~/frame"].told
    made.timers[0]()
    (status,) = made.publishers["/diagnostics"].told[0].status
    assert status.level == b"\2"
    assert "format:=wave" in status.message
    assert "format:=wave" in made.errors[0]
    wave = info(channels=1, sample_rate=22_050, sample_format="S16LE", coding_format="wave")
    made.subscribed["audio_info"].hear(wave)
    made.subscribed["audio_stamped"].hear(stamped(ros, voices()[:44_100], BEGAN))
    assert made.publishers["~/frame"].told
    made.timers[0]()
    made.timers[0]()
    levels = [array.status[0].level for array in made.publishers["/diagnostics"].told]
    assert levels == [b"\2", b"\0", b"\3"]  # then nothing more came


def test_what_cannot_be_loaded_leaves_the_node_unconfigured(ros: Messages) -> None:
    del ros
    made = node(model="/nowhere.edgeser")
    assert made.on_configure(STATE) is Outcome.FAILURE
    assert "/nowhere.edgeser" in made.errors[0]
    assert not made.publishers


def test_quality_of_service_is_what_the_page_says(ros: Messages) -> None:
    del ros
    made = started(audio_reliability="best_effort")
    audio, info = (made.subscribed[name].qos for name in ("audio_stamped", "audio_info"))
    assert (audio.depth, audio.reliability.name, audio.durability.name) == (
        50,
        "BEST_EFFORT",
        "VOLATILE",
    )
    assert (info.depth, info.durability.name) == (1, "TRANSIENT_LOCAL")
    for publisher in made.publishers.values():
        assert (publisher.qos.depth, publisher.qos.reliability.name) == (10, "RELIABLE")


def test_main_ends_with_ctrl_c(ros: Messages) -> None:
    del ros
    from edgeser_ros.node import main

    main()


def test_the_file_of_parameters_has_all_of_them_with_their_presets() -> None:
    yaml = pytest.importorskip("yaml")
    from edgeser_ros.settings import Settings

    text = (ROS2 / "edgeser_ros" / "config" / "edgeser.yaml").read_text(encoding="utf-8")
    told = yaml.safe_load(text)["/**"]["ros__parameters"]
    assert told == {name: preset for name, preset, _ in Settings.parameters()}
    presets = {name: preset for name, preset, _ in Settings.parameters()}
    assert {name: type(value) for name, value in told.items()} == {
        name: type(preset) for name, preset in presets.items()
    }


@pytest.mark.parametrize("name", ["edgeser_msgs", "edgeser_ros"])
def test_manifests(name: str) -> None:
    root = ET.parse(ROS2 / name / "package.xml").getroot()
    assert root.tag == "package"
    assert root.get("format") == "3"
    assert root.findtext("name") == name
    assert root.findtext("version") == edgeser.__version__
    assert root.findtext("license") == "Apache-2.0"
    needed = {e.text for e in root if e.tag.endswith("depend")}
    if name == "edgeser_ros":
        imported: set[str] = set()
        for path in [*(ROS2 / name / name).glob("*.py"), *(ROS2 / name / "launch").glob("*.py")]:
            for found in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(found, ast.ImportFrom):
                    imported.add((found.module or "").split(".")[0])
        ros = {i for i in imported if i.endswith("_msgs") or i.startswith(("rclpy", "launch"))}
        assert ros <= needed, ros - needed
    else:
        texts = [path.read_text(encoding="utf-8") for path in (ROS2 / name / "msg").glob("*.msg")]
        used = {line.split("/")[0] for t in texts for line in t.splitlines() if "/" in line[:30]}
        assert {u for u in used if u.isidentifier()} <= needed
        listed = (ROS2 / name / "CMakeLists.txt").read_text(encoding="utf-8")
        for path in (ROS2 / name / "msg").glob("*.msg"):
            assert f'"msg/{path.name}"' in listed
