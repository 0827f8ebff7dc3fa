"""``edgeser listen``: a microphone, shown as it is heard."""

from __future__ import annotations

import json
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from typing import Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from edgeser.cli.options import ModelOption, PrecisionOption
from edgeser.cli.timeline import Timeline, verdict_line
from edgeser.listening import Listener
from edgeser.loading import load
from edgeser.microphone import Device, Event, Found, Gap, Microphone, microphones
from edgeser.results import EmotionFrame, Verdict

_WINDOW = 30.0  # seconds that the live view shows


def listen(
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A part of the microphone's name, or its number; else the default."
        ),
    ] = None,
    list_only: Annotated[bool, typer.Option("--list", help="List the microphones.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON object on each line of standard output.")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="End by itself after so long; else at Ctrl-C.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for a microphone that is missing or busy.")
    ] = False,
    model: ModelOption = None,
    precision: PrecisionOption = "float32",
) -> None:
    """Listen to a microphone until Ctrl-C: which emotion, how sure, now; at the end, the verdict.

    Exit codes: 0 it listened, 1 there is no such microphone or something failed, 2 the command
    line makes no sense.
    """
    if list_only:
        _list(as_json)
        return
    wanted = int(device) if device is not None and device.isdecimal() else device
    console = Console(highlight=False)
    show: _Json | _Live | _Lines
    loaded = load(model, precision=precision)
    if as_json:
        show = _Json()
    elif console.is_terminal:
        show = _Live(console, Timeline(loaded, _WINDOW, console.width))
    else:
        show = _Lines(console)
    listener = Listener(loaded, Microphone(wanted, wait=wait), on_event=show.event)
    try:
        with listener, show.around:
            show.begin(listener.microphone.device, listener.microphone.sample_rate)
            for frame in listener:
                show.frame(frame)
                if seconds is not None and frame.time >= seconds:
                    break
    except KeyboardInterrupt:
        pass  # that is how listening ends
    show.end(listener.conclude())


def _list(as_json: bool) -> None:
    found = microphones()
    if as_json:
        typer.echo(json.dumps([asdict(device) for device in found], ensure_ascii=False))
        return
    for device in found:
        mark = "*" if device.default else " "
        typer.echo(
            f"{mark} {device.index:3}  {device.name}  ({device.rate} Hz, "
            f"{device.channels} channel{'s' if device.channels != 1 else ''})"
        )
    if not found:
        typer.echo("no microphones", err=True)


def _told(event: Event) -> str:
    if isinstance(event, Gap):
        return f"{event.seconds:.2f} s of sound are missing ({event.cause})"
    if isinstance(event, Found):
        return f"{event.device} is back"
    return f"{event.reason}; looking for it"


class _Json:
    """A line for each thing: {"device"}, {"frame"}, {"event"}, {"verdict"}."""

    around: AbstractContextManager[object] = nullcontext()

    def begin(self, device: Device, rate: int) -> None:
        self._say("device", {**asdict(device), "rate": rate})

    def frame(self, frame: EmotionFrame) -> None:
        self._say("frame", asdict(frame))

    def event(self, event: Event) -> None:
        self._say("event", {"kind": type(event).__name__.lower(), **asdict(event)})

    def end(self, verdict: Verdict) -> None:
        self._say("verdict", asdict(verdict))

    def _say(self, kind: str, what: dict[str, Any]) -> None:
        print(json.dumps({kind: what}, ensure_ascii=False), flush=True)


class _Lines:
    """Where the output is no terminal: a line whenever the label changes."""

    around: AbstractContextManager[object] = nullcontext()

    def __init__(self, console: Console) -> None:
        self._console = console
        self._label: str | None = None

    def begin(self, device: Device, rate: int) -> None:
        self._console.print(f"listening to {escape(device.name)} at {rate} Hz", soft_wrap=True)

    def frame(self, frame: EmotionFrame) -> None:
        if frame.label != self._label:
            self._label = frame.label
            line = f"{frame.time:7.2f} s  {frame.label or '-'}"
            self._console.print(f"{line}  {frame.confidence:.2f}" if frame.label else line)

    def event(self, event: Event) -> None:
        self._console.print(f"{event.time:7.2f} s  {escape(_told(event))}", soft_wrap=True)

    def end(self, verdict: Verdict) -> None:
        self._console.print(f"verdict  {verdict_line(verdict)}")


class _Live(_Lines):
    """In a terminal: the last seconds as a timeline that moves."""

    def __init__(self, console: Console, timeline: Timeline) -> None:
        super().__init__(console)
        self._timeline = timeline
        self._frames: deque[EmotionFrame] = deque()
        self.around = self._live = Live(console=console, refresh_per_second=10)

    def frame(self, frame: EmotionFrame) -> None:
        self._frames.append(frame)
        begin = max(0.0, frame.time - _WINDOW)
        while self._frames[0].time < begin:
            self._frames.popleft()
        shifted = [replace(shown, time=shown.time - begin) for shown in self._frames]
        now = self._timeline.now(frame)
        self._live.update(Group(Text(), self._timeline.draw(shifted), Text(), now))
