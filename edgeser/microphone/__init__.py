"""Sound as it happens: from a microphone to int16 chunks, whatever befalls the microphone.

One concept a module: ``device`` names and chooses, ``ring`` bounds what waits, ``clock`` measures
what is missing, ``backoff`` spaces attempts, ``capture`` is the thread's loop, ``backend`` is the
one seam to the outside and ``portaudio`` what stands behind it.
"""

from edgeser.microphone.device import Device
from edgeser.microphone.events import Chunk, Event, Found, Gap, Lost
from edgeser.microphone.microphone import Microphone, microphones

__all__ = ["Chunk", "Device", "Event", "Found", "Gap", "Lost", "Microphone", "microphones"]
