"""``edgeser listen`` in a terminal: a view to leave open, of any size."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace
from itertools import islice

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edgeser.cli.output import words
from edgeser.cli.timeline import Timeline, bar
from edgeser.microphone import Microphone
from edgeser.model import Model
from edgeser.palette import colours
from edgeser.results import EmotionFrame
from edgeser.streaming.utterances import Utterance

WINDOW = 30.0
"""Seconds of the timeline."""
_KEPT = 200  # utterances and events; a screen has not so many lines
_LEAST_TIMELINE = 40  # columns; narrower ones say nothing
_BETWEEN = 0.06  # seconds between two pictures: a gap's frames come by the hundred
_REDRAWN = 2.0  # times a second without a frame: the terminal may be resized while none comes
_QUIETEST = -60.0
_BEHIND = 0.5  # seconds of sound that wait; more is worth a word


class LiveView:
    """The whole screen, redrawn with each frame and twice a second; restored at the end.

    A context manager. Threads: one; another redraws.
    """

    def __init__(self, console: Console, model: Model, speech_threshold: float) -> None:
        self._model, self._threshold = model, speech_threshold
        self._colours = colours(model.labels)
        self._microphone: Microphone | None = None
        self._frames: deque[EmotionFrame] = deque()
        self._lines: deque[Text] = deque(maxlen=_KEPT)
        self._lost: str | None = None
        self._began = self._drawn = 0.0
        self._shown = threading.Lock()  # held while what is drawn changes, or is read
        self._live = Live(
            self,
            console=console,
            screen=True,
            refresh_per_second=_REDRAWN,
            vertical_overflow="crop",
        )

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def begin(self, microphone: Microphone) -> None:
        """The microphone is open."""
        with self._shown:
            self._microphone, self._began = microphone, time.time()
        self._live.refresh()

    def frame(self, frame: EmotionFrame) -> None:
        """The next frame."""
        with self._shown:
            self._lost = None
            self._frames.append(frame)
            while self._frames[0].time < frame.time - WINDOW:
                self._frames.popleft()
        if time.monotonic() > self._drawn + _BETWEEN:
            self._drawn = time.monotonic()
            self._live.refresh()

    def utterance(self, utterance: Utterance) -> None:
        """Somebody stopped speaking."""
        colour = self._colours.get(utterance.label or "", "bright_black")
        sure = utterance.verdict.confidence
        line = self._at(utterance.start)
        line.append(f"{utterance.verdict.summary:<10} {sure:.2f}", colour)
        line.append(f"{utterance.end - utterance.start:6.1f} s  ")
        self._tell(line.append(bar(sure), colour))

    def event(self, at: float, what: str, *, lost: bool) -> None:
        """An event of the microphone."""
        with self._shown:
            self._lost = what if lost else None
        self._tell(self._at(at).append(what, "red" if lost else "yellow"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del options
        with self._shown:
            drawn = self._drawing(*console.size)
        yield from drawn

    def _drawing(self, width: int, height: int) -> list[RenderableType]:
        head: list[RenderableType] = [self._title(), Text(), self._now(), self._level()]
        room = height - len(head) - 1
        bands = len(self._model.labels) + 2
        if width >= _LEAST_TIMELINE and room > bands:
            head += [Text(), self._bands(width)]
            room -= bands + 1
        return [*head, Text(), *islice(self._lines, max(0, room))]

    def _title(self) -> Table:
        title = Table.grid(expand=True, padding=(0, 1))
        title.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        title.add_column(no_wrap=True, justify="right")
        if self._microphone is None:
            title.add_row("waiting for a microphone", "Ctrl-C ends it")
            return title
        name = words(self._microphone.device.name, "bold")
        since = clock(self._frames[-1].time if self._frames else 0.0)
        title.add_row(name, Text(f"{since}, Ctrl-C ends it", "bright_black"))
        return title

    def _now(self) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        if self._lost is not None:
            return line.append(self._lost, "bold red")
        if not self._frames:
            return line.append("listening", "bright_black")
        frame = self._frames[-1]
        likeliest = max(frame.probabilities, key=lambda label: frame.probabilities[label])
        if frame.speech < self._threshold:
            return line.append("nobody speaks", "bright_black")
        if frame.label is None:
            line.append(f"not sure: {likeliest} ", "bright_black")
            return line.append(f"{frame.confidence:.2f}", "bright_black")
        line.append(f"{frame.label:<10} ", f"bold {self._colours[frame.label]}")
        line.append(bar(frame.confidence), self._colours[frame.label])
        return line.append(f" {frame.confidence:.2f}")

    def _level(self) -> Text:
        line = Text(no_wrap=True, overflow="ellipsis")
        level = self._frames[-1].level if self._frames else _QUIETEST
        share = min(1.0, max(0.0, 1 - level / _QUIETEST))
        line.append(f"{level:4.0f} dB    {bar(share)}", "bright_black")
        lag = self._microphone.lag if self._microphone is not None else 0.0
        return line.append(f"  {lag:.1f} s behind", "yellow") if lag > _BEHIND else line

    def _bands(self, width: int) -> Table:
        begin = self._frames[-1].time - WINDOW if self._frames else 0.0
        shifted = [replace(frame, time=frame.time - begin) for frame in self._frames]
        return Timeline(self._model, WINDOW, width, until_now=True).draw(shifted)

    def _at(self, seconds: float) -> Text:
        on_the_wall = time.strftime("%H:%M:%S  ", time.localtime(self._began + seconds))
        return Text(on_the_wall, "bright_black", no_wrap=True, overflow="ellipsis", end="\n")

    def _tell(self, line: Text) -> None:
        with self._shown:
            self._lines.appendleft(line)
        self._live.refresh()


def clock(seconds: float) -> str:
    """h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
