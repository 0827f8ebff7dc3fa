"""The lifecycle node: parameters, topics and services around :mod:`edgeser_ros.ears`.

It decides nothing. Configuring loads the model, activating begins to listen, deactivating ends the
stream (the utterance that was going on is published before), cleaning up lets the model go.
"""

from __future__ import annotations

from typing import Any

import rclpy
from audio_common_msgs.msg import AudioData, AudioDataStamped, AudioInfo
from diagnostic_msgs.msg import DiagnosticArray
from edgeser_msgs.msg import EmotionFrame, SpeechStarted, Utterance
from rcl_interfaces.msg import ParameterDescriptor
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

import edgeser
from edgeser_ros import messages
from edgeser_ros.ears import Ears, Stamped
from edgeser_ros.health import Health
from edgeser_ros.pcm import check_info
from edgeser_ros.recording import Recording
from edgeser_ros.settings import Settings

DIAGNOSED_EVERY = 1.0  # seconds


def qos(
    depth: int,
    reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE,
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE,
) -> QoSProfile:
    """QoS that keeps the newest ``depth`` messages; reliable and volatile by default."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=durability,
    )


class EdgeserNode(LifecycleNode):
    """Audio in, emotions out.

    Threads: one of an executor; and that of the microphone, if it has one, which publishes.
    """

    def __init__(self) -> None:
        super().__init__("edgeser")
        for name, preset, about in Settings.parameters():
            self.declare_parameter(name, preset, ParameterDescriptor(description=about))
        self._clear()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Loads the model; does not listen yet."""
        del state
        try:
            names = [name for name, _, _ in Settings.parameters()]
            values = {name: self.get_parameter(name).value for name in names}
            self._settings = settings = Settings.of(values)
            self._model = edgeser.load(
                settings.model or None, backend=settings.backend, precision=settings.precision
            )
            Ears(self._model, settings, self._health)  # raises errors of the settings now
        except edgeser.EdgeserError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._utterance = self.create_lifecycle_publisher(Utterance, "~/utterance", qos(10))
        self._started = self.create_lifecycle_publisher(SpeechStarted, "~/speech_started", qos(10))
        if settings.publish_frames:
            self._frame = self.create_lifecycle_publisher(EmotionFrame, "~/frame", qos(10))
        if settings.publish_json:
            self._json = self.create_lifecycle_publisher(String, "~/utterance_json", qos(10))
        # Diagnostics are published while inactive, too.
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos(10))
        self._timer = self.create_timer(DIAGNOSED_EVERY, self._diagnose)
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Starts to listen."""
        super().on_activate(state)  # publishers first, since audio may arrive immediately
        try:
            if self._settings.source == "microphone":
                self._record()
            else:
                self._subscribe()
        except edgeser.EdgeserError as error:
            self.get_logger().error(str(error))
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends the stream."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Releases everything."""
        return self._let_go(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """The same, from any state."""
        return self._let_go(state)

    def _let_go(self, state: LifecycleState) -> TransitionCallbackReturn:
        del state
        self._stop()
        if self._timer is not None:
            self.destroy_timer(self._timer)
        for publisher in (self._utterance, self._started, self._frame, self._json):
            if publisher is not None:
                self.destroy_lifecycle_publisher(publisher)
        if self._diagnostics is not None:
            self.destroy_publisher(self._diagnostics)
        self._clear()
        return TransitionCallbackReturn.SUCCESS

    def _clear(self) -> None:
        self._settings, self._health = Settings(), Health()
        self._model: edgeser.Model | None = None
        self._ears: Ears | None = None
        self._recording: Recording | None = None
        self._subscriptions_made: list[Any] = []
        self._utterance = self._started = self._frame = self._json = None
        self._diagnostics = self._timer = None
        self._told_refused = 0
        self._wrong_info = self._frame_id = ""

    def _now(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _subscribe(self) -> None:
        settings = self._settings
        reliability = (
            ReliabilityPolicy.RELIABLE
            if settings.audio_reliability == "reliable"
            else ReliabilityPolicy.BEST_EFFORT
        )
        audio = qos(settings.audio_depth, reliability)
        latched = qos(1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._ears = Ears(self._model, settings, self._health)
        if settings.audio_type == "stamped":
            made = self.create_subscription(
                AudioDataStamped, "audio_stamped", self._hear_stamped, audio
            )
        else:
            made = self.create_subscription(AudioData, "audio", self._hear_plain, audio)
        info = self.create_subscription(AudioInfo, "audio_info", self._check_info, latched)
        self._subscriptions_made = [made, info]
        self._health.hardware = f"topic {made.topic_name}"

    def _record(self) -> None:
        settings, model = self._settings, self._model
        self._health.hardware = f"microphone {settings.device or '(default)'}"
        self._recording = Recording(
            edgeser.Microphone(settings.device or None),
            lambda rate: Ears(model, settings, self._health, rate),
            self._health,
            self._now,
            lambda told: self._publish(told, settings.frame_id),
        )

    def _stop(self) -> None:
        for subscription in self._subscriptions_made:
            self.destroy_subscription(subscription)
        self._subscriptions_made = []
        if self._ears is not None:
            self._publish(self._ears.flush(), self._frame_id)
        if self._recording is not None:
            self._recording.close()
        self._ears = self._recording = None

    def _hear_stamped(self, message: AudioDataStamped) -> None:
        stamp = message.header.stamp
        self._frame_id = message.header.frame_id or self._settings.frame_id
        self._hear(message.audio, stamp.sec * 1_000_000_000 + stamp.nanosec, exact=True)

    def _hear_plain(self, message: AudioData) -> None:
        self._frame_id = self._settings.frame_id
        self._hear(message, self._now(), exact=False)

    def _hear(self, message: AudioData, stamp: int, *, exact: bool) -> None:
        if self._ears is None:  # a message that waited while the node was deactivated
            return
        if self._wrong_info:
            self._health.refuse(edgeser.AudioError(self._wrong_info))
        else:
            told = self._ears.hear_bytes(bytes(message.data), stamp, exact=exact)
            self._publish(told, self._frame_id)

    def _check_info(self, info: AudioInfo) -> None:
        settings = self._settings
        try:
            check_info(
                info.sample_rate,
                info.channels,
                info.sample_format,
                info.coding_format,
                rate=settings.sample_rate,
                like=f"{settings.sample_format}/{settings.channels}",
            )
        except edgeser.AudioError as error:
            self._wrong_info = str(error)
        else:
            self._wrong_info = ""

    def _publish(self, told: list[Stamped], frame_id: str) -> None:
        for heard in told:
            event = heard.event
            if isinstance(event, edgeser.EmotionFrame):
                publisher = self._frame
            elif isinstance(event, edgeser.SpeechStarted):
                publisher = self._started
            else:
                publisher = self._utterance
                if self._json is not None:
                    self._json.publish(messages.as_json(heard, event, frame_id))
            if publisher is not None:
                publisher.publish(messages.typed(heard, frame_id))

    def _diagnose(self) -> None:
        if self._health.refused > self._told_refused:
            self.get_logger().error(self._health.last_error)
            self._told_refused = self._health.refused
        told = messages.diagnosis(self._health, self.get_fully_qualified_name(), self._now())
        self._diagnostics.publish(told)


def main() -> None:
    """The node, until it is shut down."""
    rclpy.init()
    node = EdgeserNode()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
