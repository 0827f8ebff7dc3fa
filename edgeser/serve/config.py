"""The configuration of a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

from edgeser.errors import ServeError
from edgeser.options import Backend, Precision
from edgeser.serve.kiosk import Kiosk
from edgeser.streaming.utterances import Endpointing
from edgeser.streaming.vad import SpeechDetector

GOODBYE_SECONDS = 5
"""In which clients get what they are still owed when the server ends."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one client; more is refused or slowed down, without affecting other clients."""

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
    per_address: int | None = None
    """Of one address, or one /64 of IPv6. None for half of all; connections of this machine are not
    counted then, since all that a proxy passes on come from here."""
    waiting: int = 128
    """Connections that are no clients yet, or no longer; one more pushes out the oldest."""
    handshake_seconds: float = 10.0
    """Until a request has come as a whole and is answered; then the connection ends."""
    messages_a_second: float = 500.0
    """Pings and fragments count too; who sends more is read more slowly."""
    bytes_a_second: float = 8 << 20
    """Who sends more is read more slowly."""
    stalled_seconds: float = 5.0
    """Audio that is due waits so long: ``/healthz`` says so."""
    stuck_seconds: float = 60.0
    """One step takes so long: the server ends, for whoever started it to start another."""

    def __post_init__(self) -> None:
        """Raises ServeError for limits that nobody could keep."""
        for name in (item.name for item in fields(self)):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ServeError(f"the limit {name} is {value}: give more than 0")


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Configuration of a server. Only this machine is served unless ``host`` allows others."""

    host: str = "127.0.0.1"
    port: int = 8765
    model: Path | None = None
    """A bundle; None for the bundled model."""
    token: str | None = None
    """If given, clients must send it: ``?token=`` or ``Authorization: Bearer``. Not empty."""
    origins: tuple[str, ...] = ()
    """Other web origins whose pages may connect, as ``https://kiosk.example``; ``*`` for all,
    ``null`` for pages without one, such as files.

    The page that the server itself serves always may. Programs that send no origin may, too.
    """
    certificate: Path | None = None
    """PEM file for TLS, with ``key``: browsers give a page the microphone over TLS or on localhost
    only."""
    key: Path | None = None
    names: tuple[str, ...] = ()
    """Further names that this server is reached by, without TLS and without a token.

    Known are its addresses, this machine's name, ``host`` and those of ``origins``. A page whose
    name was made to lead here is refused.
    """
    limits: Limits = field(default_factory=Limits)
    rules: Endpointing = field(default_factory=Endpointing)
    detector: Callable[[], SpeechDetector] | None = None
    """Makes what decides who speaks, one for each client, as ``edgeser.Silero``.

    None for the model's own score.
    """
    every_hop: bool = True
    """Whether the model hears hops that sound like the quiet before them: see
    :meth:`edgeser.Model.stream`."""
    precision: Precision = "float32"
    """See :func:`edgeser.load`."""
    backend: Backend = "cpu"
    """See :func:`edgeser.load`."""
    signed_by: Path | None = None
    """The public key of whom the bundle must be: ``key`` of :func:`edgeser.load`."""
    count_labels: bool = False
    """Whether ``/metrics`` counts labels. It tells them once an hour, but of few clients even that
    says something of each."""
    kiosk: Kiosk = field(default_factory=Kiosk)
    """What the page says and looks like."""
    workers: int = 1
    """Processes that serve, behind the one port; more than one on Linux alone. The limits hold for
    all of them together, but for those of what is no client yet, which are each one's own."""

    def __post_init__(self) -> None:
        """Raises ServeError if nobody would serve."""
        if self.workers < 1:
            raise ServeError(f"{self.workers} workers serve nobody: give 1 or more")
