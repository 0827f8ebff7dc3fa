"""Frames as a picture in the terminal: a row for each emotion, time from left to right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.table import Table
from rich.text import Text

from edgeser.model import Model
from edgeser.palette import SPEECH, colours
from edgeser.results import EmotionFrame, Verdict, says_something

_STEPS = " ▁▂▃▄▅▆▇█"
_BAR = 16


class Timeline:
    """Draws what is known so far of a recording of known length.

    Args:
        model: whose frames these are.
        duration: seconds that the whole width stands for.
        room: columns of the terminal.
        until_now: whether it ends now: then the ruler counts backwards from its right end.
    """

    def __init__(
        self, model: Model, duration: float, room: int, *, until_now: bool = False
    ) -> None:
        self._labels = model.labels
        self._colours = colours(model.labels)
        self._speech_threshold = model.speech_threshold
        self._duration = max(duration, 1e-9)
        names = max(map(len, (*model.labels, "speech"))) + 2
        self._width = max(16, min(room - names, 120))
        self._ruler = _ruler(self._duration, self._width, until_now=until_now)

    def draw(self, frames: Sequence[EmotionFrame]) -> Table:
        """The picture of ``frames``: heights are probabilities, grey where none is sure.

        Where nobody speaks there is nothing.
        """
        columns: list[list[EmotionFrame]] = [[] for _ in range(self._width)]
        for frame in frames:
            at = int(frame.time / self._duration * self._width)
            columns[min(at, self._width - 1)].append(frame)
        table = Table.grid(padding=(0, 1))
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True)
        heard = [[frame for frame in column if says_something(frame)] for column in columns]
        for label in self._labels:
            row = Text()
            for column in heard:
                voiced = [frame for frame in column if frame.label is not None]
                height = _mean([frame.probabilities[label] for frame in voiced or column])
                row.append(_block(height), self._colours[label] if voiced else "bright_black")
            table.add_row(Text(label, self._colours[label]), row)
        speech = [_mean([frame.speech for frame in column]) for column in columns]
        row = Text("".join(map(_block, speech)), SPEECH)
        table.add_row(Text("speech", SPEECH), row)
        table.add_row("", Text(self._ruler, "bright_black"))
        return table

    def now(self, frame: EmotionFrame) -> Text:
        """One line on the newest frame: its label and a bar of its confidence."""
        line = Text(f"{frame.time:6.2f} s  ")
        if frame.label is None:
            silent = frame.speech < self._speech_threshold
            return line.append("nobody speaks" if silent else "not sure", "bright_black")
        line.append(f"{frame.label:<10} ", self._colours[frame.label])
        line.append(bar(frame.confidence), self._colours[frame.label])
        return line.append(f" {frame.confidence:.2f}")


def verdict_line(verdict: Verdict) -> Text:
    """A verdict in one line."""
    return Text(verdict.summary, "bold").append(
        f"  {bar(verdict.confidence)}  {verdict.confidence:.2f}  "
        f"(speech in {verdict.speech_seconds:.1f} of {verdict.duration:.1f} s)",
        "not bold",
    )


def bar(share: float) -> str:
    """A share in [0, 1] as a bar of constant width."""
    full = round(share * _BAR)
    return "█" * full + "░" * (_BAR - full)


def runs(frames: Sequence[EmotionFrame], hop: float) -> Iterator[str]:
    """One line for each stretch of one label: when, what, how sure on average."""
    for label, group in groupby(frames, key=lambda frame: frame.label):
        stretch = list(group)
        begin, end = stretch[0].time - hop, stretch[-1].time
        line = f"{begin:7.2f} to {end:6.2f} s  {label or '-':<10}"
        if label is not None:
            sure = _mean([frame.confidence for frame in stretch])
            line += f"  {bar(sure)}  {sure:.2f}"
        yield line.rstrip()


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _block(height: float) -> str:
    return _STEPS[round(height * (len(_STEPS) - 1))]


def _ruler(duration: float, width: int, *, until_now: bool) -> str:
    """Seconds under the columns, at round distances."""
    per_mark = next(
        (step for step in (1, 2, 5, 10, 30, 60, 300, 600, 3600) if duration / step <= width / 8),
        3600 * max(1, round(duration / 36000)),
    )
    ruler = [" "] * width
    for mark in range(0, int(duration) + 1, per_mark):
        at = int(mark / duration * width)
        if until_now:
            text = f"-{mark} s" if mark else "now"
            at = width - at - (0 if mark else len(text))
        else:
            text = str(mark) if mark else "0 s"
        if at + len(text) <= width:
            ruler[at : at + len(text)] = text
    return "".join(ruler)
