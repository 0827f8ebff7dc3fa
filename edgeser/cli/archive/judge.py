"""A worker: it has one model, judges some recordings and writes a file of results."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeser.audio.recording import open_recording
from edgeser.cli.archive.parts import Judged, Parts, Shape
from edgeser.cli.archive.places import local
from edgeser.cli.options import Vad, detector_of
from edgeser.cli.rows import frame_row, utterance_row
from edgeser.errors import AudioError
from edgeser.loading import load
from edgeser.model import Model
from edgeser.options import Precision
from edgeser.streaming.utterances import Utterance, Utterances

MOST_ATTEMPTS = 3
"""So often may a worker end while it judges a recording, before it is left alone."""


class Attempts:
    """How often workers have started a recording without finishing it."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}

    def begin(self, file: str) -> int:
        """One more; how many there were before."""
        before = self._begun.get(file, 0)
        self._begun[file] = before + 1
        return before

    def end(self, file: str) -> None:
        """It came to its end."""
        self._begun.pop(file, None)


class Judge:
    """A worker, for Ray to call with one row after the other. Its state is the model.

    Args:
        bundle: a reference to the bytes of the model's file, which need not be where this runs.
        precision, vad: as of the command.
        folder, shape: of the results.
        attempts: an actor, an :class:`Attempts`.
    """

    def __init__(
        self,
        bundle: Any,
        precision: Precision,
        vad: Vad,
        folder: str,
        shape: Shape,
        attempts: Any,
    ) -> None:
        import ray

        with tempfile.TemporaryDirectory() as here, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the process that started the job has shown them
            file = Path(here, "model.edgeser")
            file.write_bytes(ray.get(bundle))
            self._model = load(file, precision=precision)
        self._vad: Vad = vad
        self._parts = Parts(folder, shape)
        self._attempts = attempts
        self._failed: list[dict[str, str]] = []

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Judge ``files``, a JSON list of (name, place); which of them failed, as JSON."""
        files = json.loads(row["files"])
        self._failed = []
        self._parts.write([name for name, _ in files], self._judged(files))
        return {"files": len(files), "failed": json.dumps(self._failed)}

    def _judged(self, files: list[tuple[str, str]]) -> Iterator[Judged]:
        import ray

        for name, place in files:
            before = ray.get(self._attempts.begin.remote(name))
            if before < MOST_ATTEMPTS:
                made = self._one(name, place)
            else:
                made = Judged(
                    name,
                    f"{name}: the process that judged it ended, each of {before} times: the file "
                    "may be damaged, or memory have run out",
                )
            self._attempts.end.remote(name)
            if made.error is not None:
                self._failed.append({"file": name, "error": made.error})
            yield made

    def _one(self, name: str, place: str) -> Judged:
        try:
            with local(place) as path:
                try:
                    return judged(self._model, path, name, self._vad)
                except AudioError as error:
                    return Judged(name, str(error).replace(str(path), name))
        except AudioError as error:
            return Judged(name, str(error))
        except MemoryError:
            return Judged(name, f"{name}: there is not enough memory for it")


def judged(model: Model, path: Path, name: str, vad: Vad) -> Judged:
    """Utterances and timeline of a recording, in one go. Raises AudioError if it is not usable."""
    made = Judged(name)
    with open_recording(path, None) as recording:
        utterances = Utterances(
            model,
            recording.sample_rate,
            detector=detector_of(vad),
            on_frame=lambda frame: made.timeline.append(frame_row(frame)),
        )
        events: list[object] = []
        samples = 0
        for block in recording.blocks:
            events += utterances.process(block)
            samples += len(block)
    events += utterances.flush()
    made.utterances = [utterance_row(e) for e in events if isinstance(e, Utterance)]
    made.duration, made.sample_rate = samples / recording.sample_rate, recording.sample_rate
    return made
