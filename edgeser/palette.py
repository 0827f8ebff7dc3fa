"""A colour for each emotion, in terminals and plots, readable on dark and light backgrounds."""

from __future__ import annotations

_KNOWN = {  # serve/page/colours.js has the same, in the same order
    "anger": "#d1495b",
    "angry": "#d1495b",
    "happiness": "#e0a030",
    "happy": "#e0a030",
    "joy": "#e0a030",
    "sadness": "#4a7fb5",
    "sad": "#4a7fb5",
    "neutral": "#8a9a8e",
    "calm": "#6fb0a4",
    "fear": "#8e6bbf",
    "fearful": "#8e6bbf",
    "disgust": "#6f9a3e",
    "disgusted": "#6f9a3e",
    "surprise": "#d07ab0",
    "surprised": "#d07ab0",
}
_OTHERS = ("#c2703d", "#3f9c8f", "#a05fa5", "#7a7fd0", "#b5983a", "#5b8c5a")

SPEECH = "#5c6b73"
"""The colour of the speech score, which is no emotion."""


def colours(labels: tuple[str, ...]) -> dict[str, str]:
    """Maps labels to ``#rrggbb``; deterministic.

    An unknown label gets the next spare colour; so does one whose colour is taken.
    """
    chosen: dict[str, str] = {}
    spare = 0
    for label in labels:
        colour = _KNOWN.get(label.lower())
        if colour is None or colour in chosen.values():
            colour, spare = _OTHERS[spare % len(_OTHERS)], spare + 1
        chosen[label] = colour
    return chosen
