"""Streaming speech emotion recognition for the edge.

    import edgeser

    model = edgeser.load()                     # immutable, shared by threads
    stream = model.stream(sample_rate=48_000)  # one for each microphone or speaker
    for chunk in chunks:                       # any length, int16 or float32
        for frame in stream.process(chunk):    # one every 128 ms
            print(frame.time, frame.label, frame.confidence)
    verdict = stream.flush()                   # the result for the whole utterance

Importing this starts no threads and uses no GPU and no network.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from edgeser import native  # noqa: F401  # first: it refuses interpreters that nothing else would
from edgeser.errors import (
    AudioError,
    BackendError,
    BundleError,
    DeviceError,
    EdgeserError,
    KernelError,
    LicenceNotice,
    MicrophoneError,
    MissingExtraError,
    ServeError,
    SignatureError,
    StateError,
    StreamBusyError,
    TableError,
)
from edgeser.loading import load
from edgeser.model import Model
from edgeser.options import Backend, Precision
from edgeser.results import Analysis, EmotionFrame, Verdict
from edgeser.streaming.pool import Pool
from edgeser.streaming.stream import Speaker, Stream
from edgeser.version import __version__

if TYPE_CHECKING:
    from edgeser.microphone import Microphone, microphones
    from edgeser.microphone.listening import (
        listen,
        listen_async,
        listen_for_utterances,
        listen_in_background,
    )
    from edgeser.streaming.utterances import (
        Emotion,
        Endpointer,
        Endpointing,
        SpeechStarted,
        Utterance,
        UtteranceEvent,
        Utterances,
    )
    from edgeser.streaming.vad import Silero, SpeechDetector

__all__ = [
    "Analysis",
    "AudioError",
    "Backend",
    "BackendError",
    "BundleError",
    "DeviceError",
    "EdgeserError",
    "Emotion",
    "EmotionFrame",
    "Endpointer",
    "Endpointing",
    "KernelError",
    "LicenceNotice",
    "Microphone",
    "MicrophoneError",
    "MissingExtraError",
    "Model",
    "Pool",
    "Precision",
    "ServeError",
    "SignatureError",
    "Silero",
    "Speaker",
    "SpeechDetector",
    "SpeechStarted",
    "StateError",
    "Stream",
    "StreamBusyError",
    "TableError",
    "Utterance",
    "UtteranceEvent",
    "Utterances",
    "Verdict",
    "__version__",
    "listen",
    "listen_async",
    "listen_for_utterances",
    "listen_in_background",
    "load",
    "microphones",
]

# Modules that only some programs need are imported at first use: this takes a quarter of the time.
_LATER = {
    "microphone": ("Microphone", "microphones"),
    "microphone.listening": (
        "listen",
        "listen_async",
        "listen_for_utterances",
        "listen_in_background",
    ),
    "streaming.utterances": (
        "Emotion",
        "Endpointer",
        "Endpointing",
        "SpeechStarted",
        "Utterance",
        "UtteranceEvent",
        "Utterances",
    ),
    "streaming.vad": ("Silero", "SpeechDetector"),
}


def __getattr__(name: str) -> object:
    if name in _LATER:
        return import_module(f"edgeser.{name}")
    for module, names in _LATER.items():
        if name in names:
            value: object = getattr(import_module(f"edgeser.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'edgeser' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_LATER})
