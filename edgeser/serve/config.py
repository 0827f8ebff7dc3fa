"""Everything that a server can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgeser.backends import Backend, Precision
from edgeser.streaming.detection import SpeechDetector
from edgeser.streaming.utterances import Endpointing


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may ask for; more is refused or slowed down, never somebody else's loss."""

    connections: int = 64
    """At one time; one more is told to come back later."""
    message_bytes: int = 1 << 18
    """Of one message; more ends the connection."""
    idle_seconds: float = 30.0
    """Without a message, or without reading what was sent; then the connection ends."""
    speed: float = 4.0
    """Audio is taken this many times as fast as it was spoken, at most; faster senders wait."""
    burst_seconds: float = 10.0
    """So much audio may come at once all the same."""
    unread_events: int = 512
    """A client that leaves more than this unread is cut off."""


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """How to serve. Nothing outside this machine is served unless ``host`` says so."""

    host: str = "127.0.0.1"
    port: int = 8765
    model: Path | None = None
    """A bundle; None for the bundled model."""
    token: str | None = None
    """If given, clients must send it: ``?token=`` or ``Authorization: Bearer``."""
    origins: tuple[str, ...] = ()
    """Other web origins whose pages may connect, as ``https://kiosk.example``; ``*`` for all.

    The page that the server itself serves always may. Programs that send no origin may, too.
    """
    certificate: Path | None = None
    """PEM file for TLS, with ``key``: browsers give a page the microphone over TLS or on localhost
    only."""
    key: Path | None = None
    limits: Limits = field(default_factory=Limits)
    rules: Endpointing = field(default_factory=Endpointing)
    detector: Callable[[], SpeechDetector] | None = None
    """Makes what decides who speaks, one for each client, as ``edgeser.Silero``.

    None for the model's own score, which :class:`edgeser.Endpointing` says when not to use.
    """
    precision: Precision = "float32"
    """See :func:`edgeser.load`."""
    backend: Backend = "cpu"
    """See :func:`edgeser.load`."""
