"""The configuration of a server."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path

from edgeser.errors import ServeError
from edgeser.options import Backend, Precision
from edgeser.serve.kiosk import Kiosk
from edgeser.streaming.utterances import Endpointing
from edgeser.streaming.vad import SpeechDetector

GOODBYE_SECONDS = 5
"""Time in which clients still receive their last events when the server ends."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one client; more is refused or slowed down, without affecting other clients."""

    connections: int = 64
    """Clients at one time; further ones are told to try again later."""
    message_bytes: int = 1 << 18
    """Size of one message; a larger one ends the connection."""
    idle_seconds: float = 30.0
    """The connection ends after so long without a message, or if the client does not read."""
    speed: float = 4.0
    """Audio is accepted at most this many times faster than real time; faster senders wait."""
    burst_seconds: float = 10.0
    """Audio that may arrive at once in spite of ``speed``."""
    unread_events: int = 512
    """Unread events of one client; a client that leaves more unread is disconnected."""
    per_address: int | None = None
    """Clients of one IPv4 address, or one /64 of IPv6. None for half of ``connections``, not
    counting clients from this machine, because a proxy's clients all come from there."""
    waiting: int = 128
    """Waiting connections (before or after being a client); one more closes the oldest one."""
    handshake_seconds: float = 10.0
    """Time for the complete request, including TLS, and its answer; then the connection closes."""
    messages_a_second: float = 500.0
    """Rate of messages, including pings and fragments; faster senders are read more slowly."""
    bytes_a_second: float = 8 << 20
    """Rate of data; faster senders are read more slowly."""
    stalled_seconds: float = 5.0
    """``/healthz`` reports a failure if audio waits this long for a step."""
    stuck_seconds: float = 60.0
    """The server exits if one step takes this long, so that a service manager can restart it. Of
    several workers one that is silent for so long is started again."""

    def __post_init__(self) -> None:
        """Raises ServeError if a limit is not positive or not finite."""
        for name in (item.name for item in fields(self)):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ServeError(f"the limit {name} is {value}: give a finite number above 0")


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """Configuration of a server. Unless ``host`` changes it, only this machine can connect."""

    host: str = "127.0.0.1"
    port: int = 8765
    model: Path | None = None
    """A bundle; None for the bundled model."""
    token: str | None = None
    """If given, clients must send it: ``?token=`` or ``Authorization: Bearer``. Not empty."""
    origins: tuple[str, ...] = ()
    """Other web origins whose pages may connect, as ``https://kiosk.example``; ``*`` for all,
    ``null`` for pages without an origin, such as files.

    The server's own page may always connect, and so may programs that send no origin.
    """
    certificate: Path | None = None
    """PEM file for TLS, with ``key``. Browsers allow the microphone only over TLS or on
    localhost."""
    key: Path | None = None
    names: tuple[str, ...] = ()
    """Further host names of this server, needed without TLS and without a token.

    Its addresses, this machine's name, ``host`` and the hosts of ``origins`` are always allowed.
    Requests for other names are refused, as a defence against DNS rebinding.
    """
    limits: Limits = field(default_factory=Limits)
    rules: Endpointing = field(default_factory=Endpointing)
    detector: Callable[[], SpeechDetector] | None = None
    """Makes the voice activity detector of each client, such as ``edgeser.Silero``.

    None for the model's own speech score.
    """
    every_hop: bool = True
    """Whether the model hears hops that sound like the quiet before them: see
    :meth:`edgeser.Model.stream`."""
    precision: Precision = "float32"
    """See :func:`edgeser.load`."""
    backend: Backend = "cpu"
    """See :func:`edgeser.load`."""
    signed_by: Path | None = None
    """Public key that must have signed the bundle: ``key`` of :func:`edgeser.load`."""
    count_labels: bool = False
    """Whether ``/metrics`` counts labels. They are published once an hour, but with few clients
    even that reveals something about each of them."""
    kiosk: Kiosk = field(default_factory=Kiosk)
    """Texts and appearance of the page."""
    workers: int = 1
    """Processes behind the one port; more than one on Linux only. Limits hold for all of them
    together, except those of waiting connections, which hold for each."""

    def __post_init__(self) -> None:
        """Raises ServeError if there is no worker."""
        if self.workers < 1:
            raise ServeError(f"the number of workers is {self.workers}: give 1 or more")
