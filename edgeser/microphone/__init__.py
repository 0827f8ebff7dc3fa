"""Live audio from a microphone as int16 chunks, with recovery from failures.

``device`` lists and chooses devices, ``ring`` is the bounded buffer, ``clock`` measures missing
audio, ``backoff`` spaces retries, ``capture`` is the loop of the thread, ``backend`` the interface
to a recording library, and ``portaudio`` implements it.
"""

from edgeser.microphone.device import Device
from edgeser.microphone.events import Chunk, Event, Found, Gap, Lost
from edgeser.microphone.microphone import Microphone, microphones

__all__ = ["Chunk", "Device", "Event", "Found", "Gap", "Lost", "Microphone", "microphones"]
