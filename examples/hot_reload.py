"""A new model under a running program: loaded beside the old one, swapped in between utterances.

Models are immutable and streams small, so a swap is a new stream of a new model, at a moment when
nobody speaks. Times go on. ``python examples/hot_reload.py mine.edgeser`` listens to the microphone
with whatever the file holds; replace it (``mv new.edgeser mine.edgeser``) while it runs.
"""

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

import edgeser


class Reloading:
    """Utterances of one microphone, by the model that its bundle file held at the last silence."""

    def __init__(self, bundle: Path, sample_rate: int) -> None:
        self.bundle, self.sample_rate = bundle, sample_rate
        self._changed = bundle.stat().st_mtime_ns
        self._loader = ThreadPoolExecutor(1)  # loading takes a moment, and sound does not wait
        self._loading: Future[edgeser.Model] | None = None
        self._heard = 0.0
        self._begin(edgeser.load(bundle))

    def process(self, chunk: npt.NDArray[np.int16]) -> list[edgeser.UtteranceEvent]:
        """Hear a chunk; then, if nobody is speaking, take the newer model, if there is one."""
        events = self._utterances.process(chunk)
        self._heard += len(chunk) / self.sample_rate
        newer = None if self._utterances.speaking else self._newer()
        if newer is not None:
            self._begin(newer)
        return events

    def _begin(self, model: edgeser.Model) -> None:
        self.model = model
        self._utterances = edgeser.Utterances(model, self.sample_rate)
        self._utterances.skip(self._heard)

    def _newer(self) -> edgeser.Model | None:
        """The model that the file was replaced by, once it is loaded and if it is another one."""
        changed = self.bundle.stat().st_mtime_ns
        if changed != self._changed and self._loading is None:
            self._changed = changed
            self._loading = self._loader.submit(edgeser.load, self.bundle)
        if self._loading is None or not self._loading.done():
            return None
        loading, self._loading = self._loading, None
        try:
            model = loading.result()
        except edgeser.BundleError as error:
            print(f"kept the old model: {error}", flush=True)  # half-written, or broken
            return None
        return model if model.hash != self.model.hash else None


def main(bundle: Path) -> None:
    """Listen until Ctrl-C."""
    with edgeser.Microphone() as microphone:
        ears = Reloading(bundle, microphone.sample_rate)
        for item in microphone:
            if isinstance(item, edgeser.microphone.Chunk):
                for event in ears.process(item.samples):
                    if isinstance(event, edgeser.Utterance):
                        name = f"{ears.model.name} {ears.model.version}"
                        print(f"{event.end:.1f} s: {event.verdict.summary} ({name})", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python hot_reload.py MODEL.edgeser")
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        pass  # Ctrl-C is how it ends
    except (edgeser.EdgeserError, OSError) as error:
        raise SystemExit(f"hot_reload: {error}") from None
