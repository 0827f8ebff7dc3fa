"""Records a microphone of this machine in a separate thread, without ROS."""

from __future__ import annotations

import threading
from collections.abc import Callable

import edgeser
from edgeser.microphone import Chunk, Gap
from edgeser_ros.ears import Ears, Stamped
from edgeser_ros.health import Health


class Recording:
    """Processes a microphone until it is closed.

    ``tell`` and ``now`` are called in its thread.

    Args:
        microphone: is opened here.
        ears_at: creates an ``Ears`` for the microphone's rate in Hz.
        health: counts audio, gaps and errors.
        now: returns the robot's time in nanoseconds.
        tell: is called with the events.

    Raises:
        MicrophoneError: there is no such microphone, or PyAudio is missing.
        AudioError, MissingExtraError: from ``ears_at``; the microphone is closed.
    """

    def __init__(
        self,
        microphone: edgeser.Microphone,
        ears_at: Callable[[int], Ears],
        health: Health,
        now: Callable[[], int],
        tell: Callable[[list[Stamped]], None],
    ) -> None:
        self._microphone, self._health, self._now, self._tell = microphone, health, now, tell
        microphone.open()
        try:
            self._ears = ears_at(microphone.sample_rate)
        except BaseException:
            microphone.close()
            raise
        self._thread = threading.Thread(target=self._run, name="edgeser ears", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Closes the microphone, and ends the current utterance, if any."""
        self._microphone.close()
        self._thread.join()

    def _run(self) -> None:
        rate = self._microphone.sample_rate
        for item in self._microphone:
            if isinstance(item, Chunk):
                late = self._microphone.lag + len(item.samples) / rate
                begin = self._now() - round(late * 1e9)
                self._tell(self._ears.hear(item.samples, begin, exact=False))
            elif isinstance(item, Gap):
                self._tell(self._ears.lose(item.samples / rate))
            else:
                self._health.last_error = str(item)
        self._tell(self._ears.flush())
