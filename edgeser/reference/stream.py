"""A whole stream at the model's own rate: grid of hops, gate, speaker, sequences, frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeser.bundle import Bundle
from edgeser.reference import front_end
from edgeser.reference.front_end import FrontEndWeights, Layer
from edgeser.reference.gate import Gate, GateWeights
from edgeser.reference.kernels import (
    TacnPast,
    TacnWeights,
    VQFusionWeights,
    fuse,
    nearest_codes,
    tacn_step,
)
from edgeser.reference.quiet import Quiet
from edgeser.reference.speaker import Speaker, SpeakerWeights
from edgeser.reference.verdict import shares

Floats = npt.NDArray[np.floating[Any]]

SILENCE = -200.0
"""Level of digital silence in dBFS."""


@dataclass(frozen=True)
class Heard:
    """A frame, with values that a frame of the SDK does not have."""

    sample: int
    """Samples since the stream began, of the last one heard."""
    speech: float
    probabilities: Floats  # (L,)
    level: float
    open: bool
    begins: bool
    """Whether it is the first frame of a sequence."""


class ReferenceStream:
    """One stream in float64. Threads: one at a time.

    Args:
        bundle: a bundle that contains the front end's layers.
        adapt: whether to adapt to the speaker; None for the bundle's setting.
        every_hop: whether to compute hops that sound like the silence before them, too.
    """

    def __init__(
        self, bundle: Bundle, *, adapt: bool | None = None, every_hop: bool = True
    ) -> None:
        manifest = bundle.manifest
        t: dict[str, Floats] = {
            name: value.astype(np.float64) for name, value in bundle.tensors.items()
        }
        self.manifest, self.sizes = manifest, manifest.sizes
        self.front_end = _front_end(bundle, t)
        self.fusion = VQFusionWeights(
            t["vq.codebook"], t["vq.deep_weight"], t["vq.latent_weight"], t["vq.bias"]
        )
        self.tacn = TacnWeights(
            **{name: t[f"tacn.{name}"] for name in ("query", "key", "value", "output")},
            taps=t["tacn.taps"],
            bias=t["tacn.bias"],
            head_weight=t["head.weight"],
            head_bias=t["head.bias"],
            heads=self.sizes.heads,
            dilations=self.sizes.dilations,
        )
        self.gate = Gate(
            GateWeights(t["gate.weight"], t["gate.bias"], t["gate.out"], t["gate.out_bias"])
        )
        names = ("mean", "deviation", "between", "neutral", "known")
        self.speaker = Speaker(
            SpeakerWeights(**{name: t[f"speaker.{name}"] for name in names}),
            manifest.speaker,
            adapt=manifest.speaker.adapt if adapt is None else adapt,
        )
        self._every_hop = every_hop
        self._quiet = Quiet(
            self.sizes.sample_rate, self.sizes.segment, self.sizes.hop, self.sizes.gate_memory
        )
        self._tail = np.zeros(self.sizes.segment)
        self._samples, self._missing, self._zeros = 0, self.sizes.hop, self.sizes.segment
        self._level, self._pause = manifest.level_initial, 0
        self._past = TacnPast(self.tacn)
        self.frames: list[Heard] = []

    def process(self, samples: Floats) -> list[Heard]:
        """Processes samples at the model's rate; returns their frames."""
        before = len(self.frames)
        for sample in np.asarray(samples, np.float64):
            if sample != 0 and self._zeros >= self.sizes.segment:
                self._missing = self.sizes.hop  # the audio starts here, as in a new stream
            self._tail[:-1] = self._tail[1:]
            self._tail[-1] = sample
            self._zeros = 0 if sample != 0 else self._zeros + 1
            self._samples += 1
            self._missing -= 1
            if self._missing == 0:
                self._missing = self.sizes.hop
                self._hop()
        return self.frames[before:]

    def flush(self) -> Floats:
        """Pads the last hop with zeros and ends the sequence; returns a verdict's probabilities.

        It covers all frames so far.
        """
        if self._missing < self.sizes.hop:
            self.process(np.zeros(self._missing))
        self.end_sequence()
        spoken = [frame for frame in self.frames if frame.open]
        labels = len(self.manifest.labels)
        rows = np.array([frame.probabilities for frame in spoken]).reshape(-1, labels)
        return shares(rows, [frame.speech for frame in spoken])

    def end_sequence(self) -> None:
        """Ends the sequence; the next frame begins a new one."""
        if self.speaker.tokens:
            self.speaker.end()
        self._past = TacnPast(self.tacn)
        self._level = self.manifest.level_initial
        self._quiet.forget()

    def _hop(self) -> None:
        if self._zeros >= self.sizes.segment:
            self.gate.forget()
            self._quiet.forget()
            self._closed(0.0, SILENCE)
            return
        if not self._every_hop and self._quiet.passes(self._tail):
            self._closed(self._quiet.speech, self._quiet.level)
            return
        deep, latent, levels = front_end.read(
            self.front_end, self._tail[None], np.array([self._level])
        )
        codes = nearest_codes(latent, self.fusion.codebook)
        token = fuse(self.fusion, deep, codes)[0]
        speech = self.gate.score(token)
        if speech < self.manifest.thresholds.speech:
            self._quiet.refuse(self._tail, speech, float(levels[0]))
            self._closed(speech, float(levels[0]))
            return
        self._quiet.forget()
        self._pause, self._level = 0, float(levels[0])
        begins = self.speaker.tokens == 0
        logits = tacn_step(self.tacn, self.speaker.hear(token), self._past)
        powers = np.exp(logits - logits.max())
        self.frames.append(
            Heard(self._samples, speech, powers / powers.sum(), self._level, True, begins)
        )

    def _closed(self, speech: float, level: float) -> None:
        self._pause += 1
        if self._pause == self.manifest.pause and self.speaker.tokens:
            self.end_sequence()
        labels = len(self.manifest.labels)
        equal = np.full(labels, 1 / labels)
        self.frames.append(Heard(self._samples, speech, equal, level, False, False))


def _front_end(bundle: Bundle, t: dict[str, Floats]) -> FrontEndWeights:
    manifest, network = bundle.manifest, bundle.manifest.network
    if network is None:
        raise ValueError("the bundle does not tell its front end's layers")

    def body(name: str) -> tuple[Layer, ...]:
        return tuple(
            Layer(
                t[f"frontend.{name}.{n}.weight"],
                t[f"frontend.{name}.{n}.bias"],
                layer.stride,
                layer.padding,
                layer.relu,
            )
            for n, layer in enumerate(getattr(network, name))
        )

    sizes = manifest.sizes
    return FrontEndWeights(
        body("wide"),
        body("narrow"),
        body("encoder"),
        t["frontend.head.weight"],
        t["frontend.head.bias"],
        segments={
            "segment": sizes.segment,
            "hop": sizes.hop,
            "sample_rate": sizes.sample_rate,
        },
        spectrogram={key: int(value) for key, value in network.spectrogram.items()},
        harmonics=network.harmonics,
        level={**network.level, "unset": manifest.level_initial},
    )
