"""From the kernels' logits to an :class:`EmotionFrame`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from edgeser.bundle import Thresholds
from edgeser.errors import BackendError
from edgeser.results import EmotionFrame


class Decoder(NamedTuple):
    """Turns L emotion logits and one speech logit into probabilities and a label.

    Plain floats instead of arrays: for five numbers that is several times faster.
    """

    labels: tuple[str, ...]
    thresholds: Thresholds
    hop: float
    """Seconds between frames."""

    def frame(self, index: int, logits: Sequence[float], level: float) -> EmotionFrame:
        """The frame number ``index`` (from 0) of an utterance.

        Args:
            index: how many frames the utterance had before.
            logits: L + 1 values; softmax over the first L, sigmoid of the last.
            level: dBFS.

        Raises:
            BackendError: if a logit is not finite: the model overflowed on this input.
        """
        if not math.isfinite(sum(logits)):
            raise BackendError(
                "the model returned values that are not finite: its bundle is broken, take another"
            )
        *emotions, speech_logit = logits
        top = max(emotions)
        powers = [math.exp(logit - top) for logit in emotions]
        total = sum(powers)
        confidence = 1.0 / total  # the largest power is exp(0)
        speech = _sigmoid(speech_logit)
        heard = speech >= self.thresholds.speech and confidence >= self.thresholds.confidence
        return EmotionFrame(
            time=(index + 1) * self.hop,
            label=self.labels[emotions.index(top)] if heard else None,
            confidence=confidence,
            probabilities=dict(zip(self.labels, [p / total for p in powers], strict=True)),
            speech=speech,
            level=level,
        )


def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    power = math.exp(x)
    return power / (1.0 + power)
