"""A stub of ROS 2 with only the parts that ``edgeser_ros`` uses.

Messages are made of their ``.msg`` texts, ours of the files in ``examples/ros2``; like rclpy's they
refuse fields that they do not have and values of another type.
"""

from __future__ import annotations

import array
import enum
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

ROS2 = Path(__file__).parents[2] / "examples" / "ros2"
OTHERS = {
    "audio_common_msgs/AudioData": "uint8[] data",
    "audio_common_msgs/AudioDataStamped": "std_msgs/Header header\nAudioData audio",
    "audio_common_msgs/AudioInfo": (
        "uint8 channels\nuint32 sample_rate\nstring sample_format\nuint32 bitrate\n"
        "string coding_format"
    ),
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec",
    "diagnostic_msgs/KeyValue": "string key\nstring value",
    "diagnostic_msgs/DiagnosticStatus": (
        "byte OK=0\nbyte WARN=1\nbyte ERROR=2\nbyte STALE=3\n"
        "byte level\nstring name\nstring message\nstring hardware_id\nKeyValue[] values"
    ),
    "diagnostic_msgs/DiagnosticArray": "std_msgs/Header header\nDiagnosticStatus[] status",
    "rcl_interfaces/ParameterDescriptor": "string description",
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id",
    "std_msgs/String": "string data",
}
RANGES = {
    "uint8": (0, 2**8 - 1),
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
}
FIELD = re.compile(r"^(?P<type>[\w/]+)(?P<many>\[\])? +(?P<name>\w+)(?: *= *(?P<value>\w+))?$")


class Messages:
    """Message classes by ``package/Name``."""

    def __init__(self) -> None:
        ours = {
            f"edgeser_msgs/{path.stem}": path.read_text(encoding="utf-8")
            for path in sorted((ROS2 / "edgeser_msgs" / "msg").glob("*.msg"))
        }
        self.texts = {**OTHERS, **ours}
        self.classes = {name: self._made(name, text) for name, text in self.texts.items()}

    def _made(self, full: str, text: str) -> type:
        package, _, own = full.partition("/")
        types: dict[str, tuple[str, bool]] = {}
        constants: dict[str, object] = {}
        for line in text.splitlines():
            line = line.split("#")[0].strip()
            if not line:
                continue
            match = FIELD.match(line)
            assert match is not None, f"{full}: {line}"
            if match["value"] is not None:
                number = int(match["value"])
                constants[match["name"]] = bytes([number]) if match["type"] == "byte" else number
            else:
                kind = match["type"]
                if kind[0].isupper():
                    kind = f"{package}/{kind}"
                types[match["name"]] = (kind, match["many"] is not None)
        classes = self

        def __init__(self: Any, **given: object) -> None:  # noqa: N807
            unknown = given.keys() - types.keys()
            assert not unknown, f"{full} has no {unknown}"
            for name, (kind, many) in types.items():
                value = given.get(name)
                if value is None:
                    value = [] if many else classes.preset(kind)
                classes.check(kind, value, many=many)
                setattr(self, name, value)

        return type(own, (), {"__init__": __init__, "__slots__": tuple(types), **constants})

    def preset(self, kind: str) -> object:
        plain = {"string": "", "byte": b"\0", "float32": 0.0}
        if kind in plain:
            return plain[kind]
        return 0 if kind in RANGES else self.classes[kind]()

    def check(self, kind: str, value: Any, *, many: bool) -> None:
        """What rclpy's messages assert."""
        if many:
            assert isinstance(value, list | array.array), (kind, value)
            for one in value if isinstance(value, list) else ():
                self.check(kind, one, many=False)
        elif kind in RANGES:
            low, high = RANGES[kind]
            assert isinstance(value, int), (kind, value)
            assert low <= value <= high, (kind, value)
        elif kind in ("string", "float32", "byte"):
            wanted = {"string": str, "float32": float, "byte": bytes}[kind]
            assert type(value) is wanted, (kind, value)
        else:
            assert isinstance(value, self.classes[kind]), (kind, value)


class Outcome(enum.Enum):
    SUCCESS = 0
    FAILURE = 1
    ERROR = 2


class Publisher:
    """Stores published messages; an inactive lifecycle publisher drops them."""

    def __init__(self, kind: type, topic: str, qos: Any, *, managed: bool) -> None:
        self.kind, self.topic, self.qos = kind, topic, qos
        self.enabled = not managed
        self.managed = managed
        self.told: list[Any] = []

    def publish(self, message: object) -> None:
        assert type(message) is self.kind
        if self.enabled:
            self.told.append(message)


class Node:
    """A lifecycle node whose transitions, time and messages a test commands."""

    values: ClassVar[dict[str, object]] = {}
    """Parameters that the next node is started with."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parameters: dict[str, object] = {}
        self.publishers: dict[str, Publisher] = {}
        self.subscribed: dict[str, SimpleNamespace] = {}
        self.timers: list[Callable[[], None]] = []
        self.errors: list[str] = []
        self.nanoseconds = 0

    def declare_parameter(self, name: str, preset: object, descriptor: Any) -> None:
        assert descriptor.description
        given = self.values.get(name, preset)
        assert type(given) is type(preset), name  # rclpy's parameters are static
        self.parameters[name] = given

    def get_parameter(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(value=self.parameters[name])

    def create_publisher(self, kind: type, topic: str, qos: Any) -> Publisher:
        return self._published(kind, topic, qos, managed=False)

    def create_lifecycle_publisher(self, kind: type, topic: str, qos: Any) -> Publisher:
        return self._published(kind, topic, qos, managed=True)

    def _published(self, kind: type, topic: str, qos: Any, *, managed: bool) -> Publisher:
        made = Publisher(kind, topic, qos, managed=managed)
        assert topic not in self.publishers
        self.publishers[topic] = made
        return made

    def destroy_publisher(self, publisher: Publisher) -> None:
        del self.publishers[publisher.topic]

    destroy_lifecycle_publisher = destroy_publisher

    def create_subscription(
        self, kind: type, topic: str, hear: Callable[[Any], None], qos: Any
    ) -> SimpleNamespace:
        made = SimpleNamespace(kind=kind, topic_name=f"/{topic}", hear=hear, qos=qos)
        self.subscribed[topic] = made
        return made

    def destroy_subscription(self, made: SimpleNamespace) -> None:
        del self.subscribed[made.topic_name[1:]]

    def create_timer(self, period: float, call: Callable[[], None]) -> Callable[[], None]:
        assert period > 0
        self.timers.append(call)
        return call

    def destroy_timer(self, call: Callable[[], None]) -> None:
        self.timers.remove(call)

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(error=self.errors.append)

    def get_clock(self) -> SimpleNamespace:
        return SimpleNamespace(now=lambda: SimpleNamespace(nanoseconds=self.nanoseconds))

    def get_fully_qualified_name(self) -> str:
        return f"/{self.name}"

    def on_activate(self, state: object) -> Outcome:
        return self._enable(state, enabled=True)

    def on_deactivate(self, state: object) -> Outcome:
        return self._enable(state, enabled=False)

    def _enable(self, state: object, *, enabled: bool) -> Outcome:
        del state
        for publisher in self.publishers.values():
            if publisher.managed:
                publisher.enabled = enabled
        return Outcome.SUCCESS

    def destroy_node(self) -> None:
        self.subscribed.clear()


def modules(messages: Messages, spin: Callable[[Any], None]) -> dict[str, ModuleType]:
    """Entries of ``sys.modules`` that importing ``edgeser_ros.node`` needs."""
    made: dict[str, ModuleType] = {}

    def module(name: str, **members: object) -> None:
        made[name] = ModuleType(name)
        vars(made[name]).update(members)

    for package in {name.split("/")[0] for name in messages.classes}:
        own = {n.split("/")[1]: c for n, c in messages.classes.items() if n.startswith(package)}
        module(package)
        module(f"{package}.msg", **own)
    policy = {
        "HistoryPolicy": enum.Enum("HistoryPolicy", ["KEEP_LAST"]),
        "ReliabilityPolicy": enum.Enum("ReliabilityPolicy", ["RELIABLE", "BEST_EFFORT"]),
        "DurabilityPolicy": enum.Enum("DurabilityPolicy", ["VOLATILE", "TRANSIENT_LOCAL"]),
    }
    module("rclpy", init=lambda: None, spin=spin, try_shutdown=lambda: None)
    module("rclpy.qos", QoSProfile=SimpleNamespace, **policy)
    module("rclpy.executors", ExternalShutdownException=type("Shut", (Exception,), {}))
    module(
        "rclpy.lifecycle",
        LifecycleNode=Node,
        LifecycleState=SimpleNamespace,
        TransitionCallbackReturn=Outcome,
    )
    return made
