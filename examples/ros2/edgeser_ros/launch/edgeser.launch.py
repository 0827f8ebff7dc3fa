"""The node, configured and activated: ``ros2 launch edgeser_ros edgeser.launch.py``."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, RegisterEventHandler
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition


def generate_launch_description() -> LaunchDescription:
    """The arguments are parameters that differ from robot to robot; the file has all of them."""
    preset = Path(get_package_share_directory("edgeser_ros"), "config", "edgeser.yaml")
    arguments = {
        "params_file": (str(preset), "all parameters"),
        "namespace": ("", "of the node"),
        "audio": ("audio", "topic of AudioData"),
        "audio_stamped": ("audio_stamped", "topic of AudioDataStamped"),
        "audio_info": ("audio_info", "topic of AudioInfo"),
    }
    node = LifecycleNode(
        package="edgeser_ros",
        executable="edgeser_node",
        name="edgeser",
        namespace=LaunchConfiguration("namespace"),
        parameters=[LaunchConfiguration("params_file")],
        remappings=[
            (topic, LaunchConfiguration(topic))
            for topic in ("audio", "audio_stamped", "audio_info")
        ],
        output="screen",
    )
    activate = RegisterEventHandler(
        OnStateTransition(
            target_lifecycle_node=node,
            start_state="configuring",
            goal_state="inactive",
            entities=[_change(node, Transition.TRANSITION_ACTIVATE)],
        )
    )
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value=value, description=about)
                for name, (value, about) in arguments.items()
            ),
            activate,  # before the node: it must hear of the first transition
            node,
            _change(node, Transition.TRANSITION_CONFIGURE),
        ]
    )


def _change(node: LifecycleNode, transition: int) -> EmitEvent:
    return EmitEvent(
        event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition)
    )
