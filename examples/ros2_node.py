"""A ROS 2 node: ``audio_common_msgs/AudioData`` in, emotions out as a JSON ``std_msgs/String``.

Everything that decides anything is in :class:`EmotionTopic`, which knows nothing of ROS; the node
around it only passes messages on. Run it where ROS 2 is: ``python3 examples/ros2_node.py
--ros-args -p sample_rate:=48000``; it takes 16-bit mono on ``audio`` and publishes on ``emotion``.
"""

import json
from collections.abc import Callable

import numpy as np

import edgeser


class EmotionTopic:
    """16-bit mono audio as a topic brings it, to messages for another one."""

    def __init__(self, publish: Callable[[str], object], sample_rate: int) -> None:
        self._publish = publish
        self._utterances = edgeser.Utterances(edgeser.load(), sample_rate)

    def hear(self, data: bytes) -> None:
        """One message's bytes."""
        if len(data) < 2:
            return
        samples = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)
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
    main()
