"""The smallest ROS 2 node, to try it out: ``audio_common_msgs/AudioData`` in, JSON out.

``python3 examples/ros2_node.py --ros-args -p sample_rate:=48000`` takes 16-bit mono PCM on
``audio`` and publishes a ``std_msgs/String`` on ``emotion`` for each utterance. The packages in
``ros2/`` are for a robot: they have typed messages, time stamps, parameters and a life cycle.
"""

import json
from collections.abc import Callable

import numpy as np

import edgeser


class EmotionTopic:
    """16-bit mono audio as a topic brings it, to messages for another one. Knows nothing of ROS."""

    def __init__(self, publish: Callable[[str], object], sample_rate: int) -> None:
        self._publish = publish
        self._utterances = edgeser.Utterances(edgeser.load(), sample_rate)
        self._rest = b""

    def hear(self, data: bytes) -> None:
        """One message's bytes; half a sample at its end waits for the next message."""
        data = self._rest + data
        whole = len(data) // 2 * 2
        data, self._rest = data[:whole], data[whole:]
        if not data:
            return
        samples = np.frombuffer(data, "<i2").astype(np.int16)
        for event in self._utterances.process(samples):
            if isinstance(event, edgeser.Utterance):
                told = {"label": event.label, "confidence": round(event.verdict.confidence, 3)}
                self._publish(json.dumps({**told, "start": event.start, "end": event.end}))


def main() -> None:
    """The node, until it is shut down."""
    import rclpy
    from audio_common_msgs.msg import AudioData
    from rclpy.node import Node
    from std_msgs.msg import String

    rclpy.init()
    node = Node("edgeser")
    publisher = node.create_publisher(String, "emotion", 10)
    rate = node.declare_parameter("sample_rate", 16_000).value
    topic = EmotionTopic(lambda text: publisher.publish(String(data=text)), rate)

    def hear(message: AudioData) -> None:
        topic.hear(bytes(message.data))

    node.create_subscription(AudioData, "audio", hear, 50)
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    try:
        main()
    except ImportError as error:
        raise SystemExit(f"ros2_node: {error}: source ROS 2's setup.bash first") from None
    except edgeser.EdgeserError as error:
        raise SystemExit(f"ros2_node: {error}") from None
