"""Emotions in voices as ROS 2 messages. Only ``node`` and ``messages`` know ROS."""
