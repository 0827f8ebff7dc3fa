"""One colour for each emotion, the same in terminals and plots, readable on dark and light."""

from __future__ import annotations

_KNOWN = {
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
    "disgust": "#6f9a3e",
    "surprise": "#d07ab0",
}
_OTHERS = ("#c2703d", "#3f9c8f", "#a05fa5", "#7a7fd0", "#b5983a", "#5b8c5a")

SPEECH = "#5c6b73"
"""The colour of the speech score, which is no emotion."""


def colours(labels: tuple[str, ...]) -> dict[str, str]:
    """Label to ``#rrggbb``, the same for the same labels always."""
    spare = [colour for colour in _OTHERS if colour not in _KNOWN.values()]
    chosen: dict[str, str] = {}
    for label in labels:
        known = _KNOWN.get(label.lower())
        if known is None or known in chosen.values():
            known = spare[len(chosen) % len(spare)]
        chosen[label] = known
    return chosen
