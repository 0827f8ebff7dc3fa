"""The step graph: one hop of the whole model as one ONNX graph, its state in and out.

The front end is the bundle's own; all else is written around it from the weights. Inputs, for B
streams::

    audio               float32 (B, hop)            new samples at the model's rate, in [-1, 1]
    tail                float32 (B, segment - hop)  the samples before them, at first zero
    level               float32 (B, 1)              running level in dBFS, at first
                                                    ``level_initial``
    position            int64   (B, 1)              tokens of the running sequence, at first 0
    rings               float32 (B, R)              the layers' inputs of its earlier tokens
    pause               int64   (B, 1)              hops since the last one that was speech
    gate_tokens         float32 (B, M * C)          the last raw tokens, newest first
    gate_count          int64   (B, 1)              how many of those there are
    speaker_sum         float32 (B, C)              sum over the running sequence
    speaker_utterances  float32 (B, 1)              utterances learned of
    speaker_mean        float32 (B, C)              mean of their means
    speaker_square      float32 (B, C)              mean of the squares of their means

All but the level are zero at first. A model whose gate has no memory lacks ``gate_*``. Outputs are
``log_probabilities`` float32 (B, L) over the labels, ``speech`` float32 (B, 1), the gate's score,
and the states as they are afterwards, ``tail_out`` and so on. Of a row whose speech is below the
threshold, only the tail, the pause and the gate's memory move, and its probabilities are equal; so
many such hops as the model says end its sequence. Every hop is processed, as by a stream with
``every_hop=True``: a graph cannot skip one row of a batch. The rings are those of the CPU's state
block in float32 (see csrc/README.md): layer by layer, slot by slot. The names of the labels and the
initial state are in the metadata.
"""

from __future__ import annotations

import json

import numpy as np
from onnx import ModelProto, TensorProto, checker, compose, helper, load_from_string

from edgeser.bundle import Bundle
from edgeser.errors import BundleError
from edgeser.export.nodes import Nodes
from edgeser.export.step_policy import Gated, gate, policy_states, speaker

_OLDEST_OPSET = 13  # Softmax over one axis, axes as inputs
_PREFIX = "frontend/"


def step_graph(
    bundle: Bundle, frontend: bytes | None = None, *, adapt: bool | None = None
) -> bytes:
    """The serialised graph.

    Args:
        bundle: the model.
        frontend: its front end in another precision; None for the one in the bundle.
        adapt: whether streams learn their speaker; None for what the bundle says.

    Raises:
        BundleError: the front end's graph is of an opset that is too old to be built upon.
    """
    model = compose.add_prefix(load_from_string(frontend or bundle.frontend), _PREFIX)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < _OLDEST_OPSET:
        raise BundleError(
            f"frontend.onnx has opset {opset}; a step graph needs at least {_OLDEST_OPSET}: "
            "export the model anew"
        )
    sizes, rules = bundle.manifest.sizes, bundle.manifest.speaker
    adapt = rules.adapt if adapt is None else adapt
    before, after = Nodes("input"), Nodes("step")
    before.add("Concat", "tail", "audio", to=f"{_PREFIX}segment", axis=1)
    before.add("Squeeze", "level", before.whole([1]), to=f"{_PREFIX}level")
    token = _token(after, bundle)
    gated = gate(after, bundle, f"{_PREFIX}segment", token)
    _tail_and_level(after, bundle, gated)
    x = speaker(after, bundle, gated, token, adapt=adapt)
    rings = []
    for n in range(sizes.layers):
        x, ring = _layer(after, bundle, n, x, gated)
        rings.append(ring)
    after.add("Concat", *rings, to="rings_out", axis=1)
    _results(after, bundle, x, gated)
    own = list(model.graph.node)
    del model.graph.node[:], model.graph.value_info[:]
    del model.graph.input[:], model.graph.output[:]
    model.graph.node.extend([*before.nodes, *own, *after.nodes])
    model.graph.initializer.extend([*before.constants, *after.constants])
    _declare(model, bundle, adapt)
    checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString()
    return serialised


def _tail_and_level(nodes: Nodes, bundle: Bundle, gated: Gated) -> None:
    manifest = bundle.manifest
    bounds = (nodes.whole([at]) for at in (manifest.sizes.hop, manifest.sizes.segment, 1))
    nodes.add("Slice", f"{_PREFIX}segment", *bounds, to="tail_out")
    heard = nodes.add("Unsqueeze", f"{_PREFIX}level_out", nodes.whole([1]))
    unset = nodes.constant(manifest.level_initial)
    kept = nodes.add("Where", gated.ended, unset, "level")
    nodes.add("Where", gated.open, heard, kept, to="level_out")
    one = nodes.add("Add", "position", nodes.whole(1))
    position = nodes.add("Where", gated.open, one, "position")
    nodes.add("Where", gated.ended, nodes.whole(0), position, to="position_out")


def _token(nodes: Nodes, bundle: Bundle) -> str:
    """Lookup and fusion: the token (B, C)."""
    weights, sizes = bundle.tensors, bundle.manifest.sizes
    codebook = weights["vq.codebook"]
    # ||E - e||^2 is least where E e - ||e||^2 / 2 is greatest; on ties, as elsewhere, the first.
    halves = (codebook.astype(np.float64) ** 2).sum(1) / 2
    products = nodes.add("MatMul", f"{_PREFIX}latent", nodes.constant(codebook.T))
    nearness = nodes.add("Sub", products, nodes.constant(halves))
    codes = nodes.add("ArgMax", nearness, axis=2, keepdims=0)
    found = nodes.add("Gather", nodes.constant(codebook), codes, axis=0)
    flat = nodes.reshaped(found, 0, sizes.positions * sizes.code_width)
    deep = nodes.add("MatMul", f"{_PREFIX}deep", nodes.constant(weights["vq.deep_weight"]))
    latent = nodes.add("MatMul", flat, nodes.constant(weights["vq.latent_weight"]))
    both = nodes.add("Add", deep, latent)
    return nodes.add("Add", both, nodes.constant(weights["vq.bias"]))


def _layer(nodes: Nodes, bundle: Bundle, n: int, x: str, gated: Gated) -> tuple[str, str]:
    """TACN layer n on x (B, C): its output, and its ring afterwards (B, slots * C)."""
    weights, sizes = bundle.tensors, bundle.manifest.sizes
    width, heads, taps = sizes.width, sizes.heads, sizes.taps
    depth, dilation = width // heads, sizes.dilations[n]
    slots = (taps - 1) * dilation
    begin = (taps - 1) * (dilation - 1) * width  # dilations are 1, 2, 4: d - 1 is their sum
    offsets = dilation * np.arange(taps)
    fastest = np.arange(width).reshape(heads, depth).T.ravel()  # columns with heads fastest

    flat = nodes.columns("rings", begin, begin + slots * width)
    ring = nodes.reshaped(flat, 0, slots, width)
    new = nodes.add("Unsqueeze", x, nodes.whole([1]))  # (B, 1, C)

    # The taps, newest first: slots + position - offset is never negative.
    at = nodes.add("Add", "position", nodes.whole((slots - offsets[1:])[None]))
    at = nodes.add("Mod", at, nodes.whole(slots))
    at = nodes.add("Unsqueeze", at, nodes.whole([2]))
    past = nodes.add("GatherND", ring, at, batch_dims=1)
    inputs = nodes.add("Concat", new, past, axis=1)  # (B, k, C)
    projections = [weights[f"tacn.{part}"][n][:, fastest] for part in ("query", "key", "value")]
    window = nodes.add("MatMul", inputs, nodes.constant(np.concatenate(projections, axis=1)))
    there = nodes.add("GreaterOrEqual", "position", nodes.whole(offsets[None]))  # (B, k)

    def by_head(part: int, order: list[int]) -> str:
        bounds = (nodes.whole([at]) for at in (part * width, (part + 1) * width, 2))
        columns = nodes.add("Slice", window, *bounds)
        return nodes.add("Transpose", nodes.reshaped(columns, 0, taps, depth, heads), perm=order)

    scores = nodes.add("MatMul", by_head(0, [0, 3, 1, 2]), by_head(1, [0, 3, 2, 1]))
    scores = nodes.add("Mul", scores, nodes.constant(depth**-0.5))  # (B, h, k, k)
    for_scores = nodes.add("Unsqueeze", there, nodes.whole([1, 2]))
    scores = nodes.add("Where", for_scores, scores, nodes.constant(-np.inf))
    shares = nodes.add("Softmax", scores, axis=3)
    mixed = nodes.add("MatMul", shares, by_head(2, [0, 3, 1, 2]))  # (B, h, k, C / h)
    mixed = nodes.add("Transpose", mixed, perm=[0, 2, 3, 1])
    mixed = nodes.reshaped(mixed, 0, taps, width)
    for_rows = nodes.add("Unsqueeze", there, nodes.whole([2]))
    mixed = nodes.add("Where", for_rows, mixed, nodes.constant(0.0))
    mixed = nodes.reshaped(mixed, 0, taps * width)

    # W folded into the taps, as in the C++ kernel: G_i = W F_i, rows heads fastest.
    output = weights["tacn.output"][n].astype(np.float64)[fastest]
    folded = np.concatenate([output @ tap for tap in weights["tacn.taps"][n].astype(np.float64)])
    z = nodes.add("MatMul", mixed, nodes.constant(folded))
    z = nodes.add("Add", z, nodes.constant(weights["tacn.bias"][n]))
    y = nodes.add("Add", x, nodes.add("Relu", z))

    slot = nodes.add("Mod", "position", nodes.whole(slots))
    written = nodes.add("Equal", slot, nodes.whole(np.arange(slots)[None]))
    written = nodes.add("And", written, gated.open)
    written = nodes.add("Unsqueeze", written, nodes.whole([2]))
    ring = nodes.add("Where", written, new, ring)
    return y, nodes.reshaped(ring, 0, slots * width)


def _results(nodes: Nodes, bundle: Bundle, y: str, gated: Gated) -> None:
    weights, labels = bundle.tensors, len(bundle.manifest.labels)
    logits = nodes.product(y, weights["head.weight"], weights["head.bias"])
    spoken = nodes.add("LogSoftmax", logits, axis=1)
    equal = nodes.constant(np.full((1, labels), -np.log(labels)))
    nodes.add("Where", gated.open, spoken, equal, to="log_probabilities")


def _declare(model: ModelProto, bundle: Bundle, adapt: bool) -> None:
    """Inputs, outputs, and what somebody needs to know who has the graph alone."""
    manifest = bundle.manifest
    sizes = manifest.sizes
    slots = (sizes.taps - 1) * sum(sizes.dilations)
    states = {
        "tail": (TensorProto.FLOAT, sizes.segment - sizes.hop),
        "level": (TensorProto.FLOAT, 1),
        "position": (TensorProto.INT64, 1),
        "rings": (TensorProto.FLOAT, slots * sizes.width),
        **policy_states(bundle),
    }
    inputs = {"audio": (TensorProto.FLOAT, sizes.hop), **states}
    outputs = {
        "log_probabilities": (TensorProto.FLOAT, len(manifest.labels)),
        "speech": (TensorProto.FLOAT, 1),
        **{f"{name}_out": kind for name, kind in states.items()},
    }
    for values, table in ((model.graph.input, inputs), (model.graph.output, outputs)):
        values.extend(
            helper.make_tensor_value_info(name, kind, ["batch", width])
            for name, (kind, width) in table.items()
        )
    model.graph.name, model.producer_name, model.producer_version = "step", "edgeser", ""
    facts = {
        "name": manifest.name,
        "version": manifest.version,
        "hash": bundle.hash,
        "licence": manifest.licence,
        "labels": json.dumps(manifest.labels, ensure_ascii=False),
        "sample_rate": str(sizes.sample_rate),
        "level_initial": str(manifest.level_initial),
        "thresholds": json.dumps(manifest.raw["thresholds"]),
        "pause": str(manifest.pause),
        "adapt": json.dumps(adapt),
    }
    helper.set_model_props(model, facts)
