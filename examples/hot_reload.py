"""A new model under a running program: loaded beside the old one, swapped in between utterances.

Models are immutable and streams small, so a swap is a new stream from a new model, at a moment when
nobody speaks. ``Reloading`` does that for any bundle file that is replaced on disk.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

import edgeser


class Reloading:
    """Utterances of one microphone, with whatever model its bundle file holds at the time."""

    def __init__(self, bundle: Path, sample_rate: int) -> None:
        self.bundle, self.sample_rate = bundle, sample_rate
        self.model = edgeser.load(bundle)
        self._changed = bundle.stat().st_mtime_ns
        self._utterances = edgeser.Utterances(self.model, sample_rate)

    def process(self, chunk: npt.NDArray[np.float32]) -> list[edgeser.UtteranceEvent]:
        """Hear a chunk; afterwards, if nobody is speaking, see whether there is a newer model."""
        events = self._utterances.process(chunk)
        if not self._utterances.speaking:
            self._swap()
        return events

    def _swap(self) -> None:
        changed = self.bundle.stat().st_mtime_ns
        if changed == self._changed:
            return
        self._changed = changed
        try:
            model = edgeser.load(self.bundle)
        except edgeser.BundleError as error:
            print(f"kept the old model: {error}", flush=True)  # half-written, or broken
            return
        if model.hash != self.model.hash:
            self.model = model
            self._utterances = edgeser.Utterances(model, self.sample_rate)
