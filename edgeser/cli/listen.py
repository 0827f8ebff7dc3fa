"""``edgeser listen``: shows live results from a microphone."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from edgeser.cli.live import LiveView, clock
from edgeser.cli.loading import load_model
from edgeser.cli.options import (
    BackendOption,
    ModelOption,
    PrecisionOption,
    SignedByOption,
    VadOption,
    detector_of,
)
from edgeser.cli.output import as_text, plain_console, shown, view_console
from edgeser.cli.timeline import bar
from edgeser.microphone import Event, Found, Gap, Lost, Microphone, microphones
from edgeser.microphone.listening import Listener
from edgeser.model import Model
from edgeser.results import EmotionFrame
from edgeser.streaming.utterances import SpeechStarted, Utterance, UtteranceEvent, Utterances
from edgeser.streaming.vad import SpeechDetector

_LATE = 3.0  # seconds: frames come later than their sound
_LONGEST = threading.TIMEOUT_MAX - _LATE


def listen(
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Part of the microphone's name, or its number."),
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="List the microphones.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per line.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Stop after this time in seconds.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for a microphone that is missing or busy.")
    ] = False,
    vad: VadOption = "own",
    model: ModelOption = None,
    signed_by: SignedByOption = None,
    precision: PrecisionOption = "float32",
    backend: BackendOption = "cpu",
) -> None:
    """Listen to a microphone until Ctrl-C; show emotions, confidences and utterances."""
    if list_only:
        _list(as_json)
        return
    wanted = int(device) if device is not None and device.isdecimal() else device
    loaded, detector = load_model(model, backend, precision, signed_by), detector_of(vad)
    show = _Json() if as_json else _show(loaded, detector)
    listener = Listener(loaded, Microphone(wanted, wait=wait), on_event=show.event)
    utterances: Utterances | None = None
    with show:
        try:
            with listener, _ended_after(seconds, listener.microphone):
                show.begin(listener.microphone)
                utterances = Utterances(
                    loaded,
                    listener.microphone.sample_rate,
                    detector=detector,
                    on_frame=show.frame,
                )
                for skipped, samples in listener.sound():
                    utterances.skip(skipped)
                    show.hear(utterances.process(samples))
                    if seconds is not None and show.seconds >= seconds:
                        break
        except KeyboardInterrupt:
            pass  # that is how listening ends
        if utterances is not None:
            show.hear(utterances.flush())
    show.end()


@contextmanager
def _ended_after(seconds: float | None, microphone: Microphone) -> Iterator[None]:
    """Closes a microphone that is lost at the end of the time: no frame says that it is over."""
    if seconds is None or not seconds < _LONGEST:
        yield
        return
    timer = threading.Timer(seconds + _LATE, microphone.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _show(model: Model, detector: SpeechDetector | None) -> _Lines:
    console = plain_console()
    if not console.is_terminal:
        return _Lines(console)
    threshold = model.speech_threshold if detector is None else detector.threshold
    return _Live(console, LiveView(view_console(), model, threshold))


def _list(as_json: bool) -> None:
    found = microphones()
    if as_json:
        typer.echo(as_text([asdict(device) for device in found], indent=None))
        return
    for device in found:
        mark = "*" if device.default else " "
        typer.echo(
            f"{mark} {device.index:3}  {shown(device.name)}  ({device.rate} Hz, "
            f"{device.channels} channel{'s' if device.channels != 1 else ''})"
        )
    if not found:
        typer.echo("no microphones", err=True)


def _told(event: Event) -> str:
    if isinstance(event, Gap):
        return f"{event.seconds:.2f} s of sound are missing ({event.cause})"
    if isinstance(event, Found):
        return f"{shown(event.device)} is back"
    return f"{shown(event.reason)}; looking for it"


class _Show:
    """Output of events. A context manager, around everything except the end."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """On the microphone's clock, of the newest frame."""
        self.said: Counter[str] = Counter()
        """What the utterances were."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def begin(self, microphone: Microphone) -> None:
        """The microphone is open."""

    def event(self, event: Event) -> None:
        """An event of the device."""

    def frame(self, frame: EmotionFrame) -> None:
        """The next one."""
        self.seconds = frame.time

    def hear(self, events: list[UtteranceEvent]) -> None:
        """What frames made of utterances."""
        for event in events:
            if isinstance(event, SpeechStarted):
                self.started(event)
            elif isinstance(event, Utterance):
                self.said[event.verdict.summary] += 1
                self.utterance(event)

    def started(self, event: SpeechStarted) -> None:
        """Somebody began to speak."""

    def utterance(self, utterance: Utterance) -> None:
        """Somebody stopped speaking."""

    def end(self) -> None:
        """Listening is over."""


class _Json(_Show):
    """One line per event, an object with one key: its kind."""

    def begin(self, microphone: Microphone) -> None:
        self._say("device", {**asdict(microphone.device), "rate": microphone.sample_rate})

    def frame(self, frame: EmotionFrame) -> None:
        super().frame(frame)
        self._say("frame", asdict(frame))

    def event(self, event: Event) -> None:
        self._say("event", {"kind": type(event).__name__.lower(), **asdict(event)})

    def started(self, event: SpeechStarted) -> None:
        self._say("speech_started", asdict(event))

    def utterance(self, utterance: Utterance) -> None:
        said = asdict(utterance)
        del said["timeline"], said["verdict"]["frames"]  # were told as frames
        self._say("utterance", said)

    def end(self) -> None:
        self._say("end", {"seconds": self.seconds, "utterances": self.said.total()})

    def _say(self, kind: str, what: dict[str, Any]) -> None:
        print(as_text({kind: what}, indent=None), flush=True)


class _Lines(_Show):
    """Without a terminal: a line for each utterance and each event of the device."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def begin(self, microphone: Microphone) -> None:
        name, rate = shown(microphone.device.name), microphone.sample_rate
        self._console.print(f"listening to {name} at {rate} Hz", soft_wrap=True)

    def event(self, event: Event) -> None:
        self._console.print(f"{event.time:9.2f} s  {_told(event)}", soft_wrap=True)

    def utterance(self, utterance: Utterance) -> None:
        span = f"{utterance.start:9.2f} to {utterance.end:9.2f} s"
        sure = utterance.verdict.confidence
        line = f"{span}  {utterance.verdict.summary:<10} {bar(sure)} {sure:.2f}"
        self._console.print(line, soft_wrap=True)

    def end(self) -> None:
        counts = ", ".join(f"{what} {count}" for what, count in self.said.most_common())
        many = f"{self.said.total()} utterance{'s' if self.said.total() != 1 else ''}"
        heard = f"heard {clock(self.seconds)}, {many}"
        self._console.print(f"{heard}: {counts}" if counts else heard, soft_wrap=True)


class _Live(_Lines):
    """In a terminal: a view of the last seconds and of all utterances."""

    def __init__(self, console: Console, view: LiveView) -> None:
        super().__init__(console)
        self._view = view

    def __enter__(self) -> None:
        self._view.__enter__()

    def __exit__(self, *error: object) -> None:
        self._view.__exit__(*error)

    def begin(self, microphone: Microphone) -> None:
        self._view.begin(microphone)

    def frame(self, frame: EmotionFrame) -> None:
        super().frame(frame)
        self._view.frame(frame)

    def event(self, event: Event) -> None:
        self._view.event(event.time, _told(event), lost=isinstance(event, Lost))

    def utterance(self, utterance: Utterance) -> None:
        self._view.utterance(utterance)
