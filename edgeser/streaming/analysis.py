"""Analysis of a whole recording, in its own stream."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from edgeser.audio.recording import Recording, open_recording
from edgeser.errors import AudioError
from edgeser.results import Analysis, EmotionFrame, Verdict
from edgeser.streaming.frames import Frames

if TYPE_CHECKING:
    from edgeser.model import Model
    from edgeser.streaming.utterances import Endpointing, Utterance, UtteranceEvent
    from edgeser.streaming.vad import SpeechDetector


def analyze(
    model: Model,
    source: str | os.PathLike[str] | npt.NDArray[Any],
    sample_rate: int | None,
    progress: Callable[[float, float], object] | None,
) -> Analysis:
    """See :meth:`edgeser.Model.analyze`."""
    verdicts: list[Verdict] = []
    with open_recording(source, sample_rate) as recording:
        stream = model.stream(recording.sample_rate)

        def heard() -> Iterator[EmotionFrame]:
            for block in recording.blocks:
                with _at(stream.position):
                    new = stream.process(block)
                yield from new
                _tell(progress, recording, stream.position)
            verdicts.append(stream.flush())
            yield from verdicts[0].frames

        frames = Frames(heard())
    verdict = verdicts[0]
    return Analysis(
        source=recording.source,
        sample_rate=recording.sample_rate,
        duration=verdict.duration,
        frames=frames,
        verdict=verdict,
    )


def utterances_of(
    model: Model,
    source: str | os.PathLike[str],
    rules: Endpointing | None = None,
    *,
    detector: SpeechDetector | None = None,
    progress: Callable[[float, float], object] | None = None,
) -> list[Utterance]:
    """The utterances of a whole recording; otherwise as :meth:`edgeser.Model.analyze`.

    Without their timelines, which would take some 9 MB for each hour.
    """
    from edgeser.streaming.utterances import Utterance, Utterances

    found: list[Utterance] = []

    def keep(events: list[UtteranceEvent]) -> None:
        found.extend(replace(e, timeline=()) for e in events if isinstance(e, Utterance))

    with open_recording(source, None) as recording:
        utterances = Utterances(model, recording.sample_rate, rules, detector=detector)
        done = 0
        for block in recording.blocks:
            with _at(done / recording.sample_rate):
                keep(utterances.process(block))
            done += len(block)
            _tell(progress, recording, done / recording.sample_rate)
    keep(utterances.flush())
    return found


@contextmanager
def _at(seconds: float) -> Iterator[None]:
    """Says in errors where a block is in its recording, unless at the start."""
    try:
        yield
    except AudioError as error:
        if not seconds:
            raise
        raise AudioError(f"in the chunk at {seconds:.0f} s: {error}") from None


def _tell(
    progress: Callable[[float, float], object] | None, recording: Recording, done: float
) -> None:
    """Calls ``progress``; a file of unknown length is as long as what was read so far."""
    if progress is not None:
        progress(done, max(done, recording.length / recording.sample_rate))
