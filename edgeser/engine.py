"""A bundle made ready to run: front end, VQ fusion, TACN and decoder, and the step that joins them.

Immutable and shared by all streams of a model, on all threads. All that changes is in the states
that a caller hands in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edgeser.backends import Precision, kernels
from edgeser.bundle import Bundle
from edgeser.decoder import Decoder
from edgeser.frontend import FrontEnd, NativeFrontEnd, front_end
from edgeser.results import EmotionFrame
from edgeser.state import FRAMES, SPEECH_FRAMES, State
from edgeser.verdict import add_to

if TYPE_CHECKING:
    from edgeser._kernels import TACN, Step, VQFusion

Segments = Sequence[npt.NDArray[np.float32]]


class Engine:
    """The model's arithmetic on a CPU."""

    largest_batch = 64
    """Segments that go through the front end together: bounds its memory, whatever a pool holds."""

    def __init__(self, bundle: Bundle, precision: Precision = "float32") -> None:
        """Pack the weights in ``precision``.

        Raises:
            BundleError, KernelError: the bundle cannot be run.
        """
        manifest, tensors = bundle.manifest, bundle.tensors
        sizes = manifest.sizes
        self.bundle = bundle
        self.precision = precision
        self.decoder = Decoder(
            manifest.labels, manifest.thresholds, hop=sizes.hop / sizes.sample_rate
        )
        self._front_end: FrontEnd = front_end(bundle, precision)
        self._fusion: VQFusion = kernels().VQFusion(
            tensors["vq.codebook"],
            tensors["vq.deep_weight"],
            tensors["vq.latent_weight"],
            tensors["vq.bias"],
            precision=precision,
        )
        self._tacn: TACN = kernels().TACN(
            tensors["tacn.query"],
            tensors["tacn.key"],
            tensors["tacn.value"],
            tensors["tacn.output"],
            tensors["tacn.taps"],
            tensors["tacn.bias"],
            tensors["head.weight"],
            tensors["head.bias"],
            heads=sizes.heads,
            dilations=sizes.dilations,
            precision=precision,
        )

        self._joined: Step | None = None
        if isinstance(self._front_end, NativeFrontEnd):
            self._joined = kernels().Step(self._front_end.kernel, self._fusion, self._tacn)

    @property
    def front_end(self) -> FrontEnd:
        """What reads segments. Another may take its place, as one that notes what it is given."""
        return self._front_end

    @front_end.setter
    def front_end(self, other: FrontEnd) -> None:
        self._front_end = other
        self._joined = None  # it would go on with the first

    @property
    def tacn_bytes(self) -> int:
        """Bytes of the kernel's section of a state."""
        return self._tacn.state_bytes

    @property
    def backend(self) -> str:
        """What executes the model: ``cpu``."""
        return "cpu"

    @property
    def simd(self) -> str:
        """The instruction set that the kernels use here."""
        return self._tacn.simd

    def undo(self, state: State, steps: int) -> Callable[[], None]:
        """What makes a state's rings what they are now, once it has heard ``steps`` segments."""
        kept = self._tacn.keep(state.tacn, steps)
        return lambda: self._tacn.put_back(state.tacn, kept)

    def advance(
        self, states: Sequence[State], segments: Sequence[Segments]
    ) -> list[list[EmotionFrame]]:
        """Let each state hear its segments, in order, and return each one's frames.

        In rounds: the first segment of every state in one batch, then the second, and so on. A
        state that has no more sits out and is not touched.

        Raises:
            BackendError, KernelError: states may then be half-way; it is for the caller to undo.
        """
        frames: list[list[EmotionFrame]] = [[] for _ in states]
        for turn in range(max(map(len, segments), default=0)):
            ready = [row for row, own in enumerate(segments) if len(own) > turn]
            for first in range(0, len(ready), self.largest_batch):
                rows = ready[first : first + self.largest_batch]
                batch = [states[row] for row in rows]
                heard = self._step(batch, [segments[row][turn] for row in rows])
                for row, frame in zip(rows, heard, strict=True):
                    frames[row].append(frame)
        return frames

    def settle(self, state: State) -> None:
        """Bring the block of ``state`` up to date with whatever device has stepped it."""

    def _step(self, states: Sequence[State], segments: Segments) -> list[EmotionFrame]:
        levels = np.array([state.level[0] for state in states])
        rings = [state.tacn for state in states]
        if self._joined:
            logits, heard = self._joined(segments, levels, rings)
        else:
            waves = np.concatenate(segments).reshape(len(segments), -1)
            features = self._front_end(waves, levels)
            tokens, _ = self._fusion(features.deep, features.latent)
            logits, heard = self._tacn.step(tokens, rings), features.level
        return [
            self.record(state, row, level)
            for state, row, level in zip(states, logits.tolist(), heard.tolist(), strict=True)
        ]

    def record(self, state: State, logits: list[float], level: float) -> EmotionFrame:
        """Note in a state what one step brought, L + 1 logits and dBFS, as the frame returned."""
        frame = self.decoder.frame(int(state.counters[FRAMES]), logits, level)
        state.level[0] = level
        state.counters[FRAMES] += 1
        if frame.speech >= self.decoder.thresholds.speech:
            state.counters[SPEECH_FRAMES] += 1
            add_to(state.sums, frame, int(state.counters[SPEECH_FRAMES]))
        return frame
