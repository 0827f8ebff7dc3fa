"""The step graph's gate, speaker and sequences: which rows are heard, and relative to what.

The same rules as ``csrc/stream``, written for all rows of a batch at once: each row takes what it
is to keep by ``Where``, so nothing of a row that sits out moves, whatever was computed for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from edgeser.bundle import Bundle
from edgeser.export.nodes import Nodes

States = dict[str, tuple[int, int]]
"""Name to type and width."""


def policy_states(bundle: Bundle) -> States:
    """State of each row besides the waveform and the rings; initially zero, except the level."""
    sizes = bundle.manifest.sizes
    states: States = {"pause": (TensorProto.INT64, 1)}
    if sizes.gate_memory:
        states["gate_tokens"] = (TensorProto.FLOAT, sizes.gate_memory * sizes.width)
        states["gate_count"] = (TensorProto.INT64, 1)
    for name, width in (("sum", sizes.width), ("utterances", 1), ("mean", sizes.width)):
        states[f"speaker_{name}"] = (TensorProto.FLOAT, width)
    states["speaker_square"] = (TensorProto.FLOAT, sizes.width)
    return states


@dataclass(frozen=True)
class Gated:
    """Names of (B, 1) each."""

    open: str
    """Whether the row is heard."""
    ended: str
    """Whether a sequence ends with this hop."""


def gate(nodes: Nodes, bundle: Bundle, segment: str, token: str) -> Gated:
    """Score the raw token (B, C) of a segment (B, S); makes ``speech``."""
    weights, manifest = bundle.tensors, bundle.manifest
    sizes = manifest.sizes
    memory = sizes.gate_memory
    zeros = nodes.add("Equal", segment, nodes.constant(0.0))
    count = nodes.add("ReduceSum", nodes.float32(zeros), nodes.whole([1]), keepdims=1)
    silent = nodes.add("Greater", count, nodes.constant(sizes.segment - 0.5))

    heard = token
    if memory:
        there = nodes.add(
            "GreaterOrEqual", "gate_count", nodes.whole(np.arange(1, memory + 1)[None])
        )
        there = nodes.add("Unsqueeze", there, nodes.whole([2]))
        earlier = nodes.reshaped("gate_tokens", 0, memory, sizes.width)
        earlier = nodes.add("Where", there, earlier, nodes.constant(0.0))
        heard = nodes.add("Concat", token, nodes.reshaped(earlier, 0, memory * sizes.width), axis=1)
        newest = nodes.add("Concat", token, "gate_tokens", axis=1)
        newest = nodes.columns(newest, 0, memory * sizes.width)
        nodes.add("Where", silent, nodes.constant(0.0), newest, to="gate_tokens_out")
        more = nodes.add("Add", "gate_count", nodes.whole(1))
        more = nodes.add("Min", more, nodes.whole(memory))
        nodes.add("Where", silent, nodes.whole(0), more, to="gate_count_out")
    hidden = nodes.product(
        heard, weights["gate.weight"].reshape(-1, sizes.gate_hidden), weights["gate.bias"]
    )
    score = nodes.product(
        nodes.add("Relu", hidden), weights["gate.out"][:, None], weights["gate.out_bias"]
    )
    score = nodes.add("Sigmoid", score)
    speech = nodes.add("Where", silent, nodes.constant(0.0), score, to="speech")
    enough = nodes.add("GreaterOrEqual", speech, nodes.constant(manifest.thresholds.speech))
    is_open = nodes.add("And", enough, nodes.add("Not", silent))

    longer = nodes.add("Add", "pause", nodes.whole(1))
    pause = nodes.add("Where", is_open, nodes.whole(0), longer, to="pause_out")
    long_enough = nodes.add("Equal", pause, nodes.whole(manifest.pause))
    begun = nodes.add("Greater", "position", nodes.whole(0))
    return Gated(is_open, nodes.add("And", long_enough, begun))


def speaker(nodes: Nodes, bundle: Bundle, gated: Gated, token: str, *, adapt: bool) -> str:
    """What the TACN hears of a raw token (B, C); learns where a sequence ends."""
    weights, rules = bundle.tensors, bundle.manifest.speaker
    z = nodes.add("Sub", token, nodes.constant(weights["speaker.mean"]))
    z = nodes.add("Div", z, nodes.constant(weights["speaker.deviation"]))
    total = nodes.add("Add", "speaker_sum", z)
    total = nodes.add("Where", gated.open, total, "speaker_sum")
    nodes.add("Where", gated.ended, nodes.constant(0.0), total, to="speaker_sum_out")
    if not adapt:
        for name in ("utterances", "mean", "square"):
            nodes.add("Identity", f"speaker_{name}", to=f"speaker_{name}_out")
        return z
    weight, shift = _known(nodes, bundle)
    x = nodes.add("Sub", z, shift)
    known = nodes.add("Mul", weight, nodes.constant(weights["speaker.known"][None]))
    _learn(nodes, gated, rules.most, rules.shortest)
    return nodes.add("Add", x, known)


def _known(nodes: Nodes, bundle: Bundle) -> tuple[str, str]:
    """How much of what was learned counts (B, 1), and what is taken off (B, C)."""
    rules, between = bundle.manifest.speaker, bundle.tensors["speaker.between"]
    u, mean = "speaker_utterances", "speaker_mean"
    varied = nodes.add("Sub", "speaker_square", nodes.add("Mul", mean, mean))
    varied = nodes.add("Max", varied, nodes.constant(0.0))
    of_between = np.full((len(between), 1), 1 / float(between.astype(np.float64).sum()))
    varied = nodes.add("MatMul", varied, nodes.constant(of_between))
    others = nodes.add("Max", nodes.add("Sub", u, nodes.constant(1.0)), nodes.constant(1.0))
    spread = nodes.add("Mul", varied, nodes.add("Div", u, others))
    spread = nodes.add("Min", spread, nodes.constant(1.0))
    several = nodes.add("GreaterOrEqual", u, nodes.constant(2.0))
    spread = nodes.add("Where", several, spread, nodes.constant(0.0))
    counts = nodes.add("Mul", spread, nodes.constant(1 - rules.floor))
    counts = nodes.add("Add", counts, nodes.constant(rules.floor))
    trusted = nodes.add("Div", u, nodes.add("Add", u, nodes.constant(rules.prior)))
    weight = nodes.add("Mul", trusted, counts)
    bounds = (nodes.constant(bound) for bound in (-rules.bound, rules.bound))
    return weight, nodes.add("Clip", nodes.add("Mul", weight, mean), *bounds)


def _learn(nodes: Nodes, gated: Gated, most: float, shortest: int) -> None:
    """Where a sequence has ended that was long enough, its mean is one more utterance."""
    enough = nodes.add("GreaterOrEqual", "position", nodes.whole(shortest))
    learned = nodes.add("And", gated.ended, enough)
    tokens = nodes.float32(nodes.add("Max", "position", nodes.whole(1)))
    mu = nodes.add("Div", "speaker_sum", tokens)  # a hop that ends a sequence adds nothing to it
    u = nodes.add("Add", "speaker_utterances", nodes.constant(1.0))
    u = nodes.add("Min", u, nodes.constant(most))
    nodes.add("Where", learned, u, "speaker_utterances", to="speaker_utterances_out")
    for name, new in (("mean", mu), ("square", nodes.add("Mul", mu, mu))):
        old = f"speaker_{name}"
        step = nodes.add("Div", nodes.add("Sub", new, old), u)
        moved = nodes.add("Add", old, step)
        nodes.add("Where", learned, moved, old, to=f"{old}_out")
