"""A model repository: what ``tritonserver --model-repository`` loads.

Two models, for either of which the server keeps the sequences:

``edgeser``
    This package's own pool in the server's Python backend: sound in pieces of any length, at any
    rate; frames, and utterances as events. edgeser must be installed where the server runs.

``edgeser_step``
    The step graph in ONNX Runtime or TensorRT: exactly one hop a request, at the model's rate. The
    server keeps the state (*implicit state*), on the GPU if it computes there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, load_from_string

from edgeser.bundle import Bundle
from edgeser.bundle.reader import bundle_bytes
from edgeser.files import write_whole

StepBackend = Literal["onnxruntime", "tensorrt"]

IDLE_SECONDS = 60
"""A sequence without requests for so long is dropped."""
SEQUENCES = 4096
"""That an instance keeps at a time; the server lets others wait."""
POOL_BATCH, STEP_BATCH = 256, 64
"""Requests that are stepped together at most."""
PATIENCE_MICROSECONDS = 2000
"""That a request may wait for others to be stepped with."""

_KINDS = {int(TensorProto.FLOAT): "TYPE_FP32", int(TensorProto.INT64): "TYPE_INT64"}
_MODEL_FILE = '''"""Runs in Triton Inference Server; edgeser must be installed there."""

from edgeser.tritonserver.model import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''


def write_repository(
    folder: Path,
    bundle: Path,
    read: Bundle,
    step: bytes,
    engine: bytes | None = None,
    *,
    batch: int | None = None,
) -> list[Path]:
    """Writes both models to ``folder``, replacing earlier ones; returns the files.

    Args:
        folder: is made if it is not there.
        bundle: the model's file, which is copied.
        read: the same, read.
        step: its step graph, as of :func:`edgeser.export.step_graph.step_graph`.
        engine: the graph as an engine of TensorRT; None for ONNX Runtime.
        batch: rows that the engine takes at most; None for :data:`STEP_BATCH`.
    """
    graph = load_from_string(step)
    pool, stepped = folder / "edgeser", folder / "edgeser_step"
    files: dict[Path, bytes] = {
        pool / "config.pbtxt": pool_config(read).encode(),
        pool / "1" / "model.py": _MODEL_FILE.encode(),
        pool / "1" / "model.edgeser": bundle_bytes(bundle),
        stepped / "config.pbtxt": step_config(
            graph, "tensorrt" if engine else "onnxruntime", batch or STEP_BATCH
        ).encode(),
    }
    if engine is None:
        files[stepped / "1" / "model.onnx"] = step
    else:
        files[stepped / "1" / "model.plan"] = engine
    initial = np.array([_facts(graph)["level_initial"]], np.float32)
    files[stepped / "initial_state" / "level"] = initial.tobytes()
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return list(files)


def pool_config(read: Bundle) -> str:
    """The configuration of the model in the Python backend, as protobuf's text."""
    labels = list(read.manifest.labels)
    sound = {"dims": [-1], "allow_ragged_batch": True, "optional": True}
    return _text(
        {
            "name": "edgeser",
            "backend": "python",
            "max_batch_size": POOL_BATCH,
            "input": [
                {"name": "audio", "data_type": _Word("TYPE_FP32"), **sound},
                {"name": "pcm", "data_type": _Word("TYPE_INT16"), **sound},
                {
                    "name": "sample_rate",
                    "data_type": _Word("TYPE_INT32"),
                    "dims": [1],
                    "optional": True,
                },
            ],
            "output": [
                {"name": "events", "data_type": _Word("TYPE_STRING"), "dims": [-1]},
                {"name": "time", "data_type": _Word("TYPE_FP64"), "dims": [-1]},
                {"name": "label", "data_type": _Word("TYPE_INT32"), "dims": [-1]},
                {
                    "name": "probabilities",
                    "data_type": _Word("TYPE_FP32"),
                    "dims": [-1, len(labels)],
                },
                {"name": "speech", "data_type": _Word("TYPE_FP32"), "dims": [-1]},
            ],
            "sequence_batching": _batching(),
            "instance_group": [{"kind": _Word("KIND_CPU"), "count": 1}],
            "parameters": _parameters(
                {
                    "bundle": "model.edgeser",
                    "backend": "cpu",
                    "precision": "float32",
                    "vad": "own",
                    "labels": json.dumps(labels, ensure_ascii=False),
                    "model_hash": read.hash,
                }
            ),
        }
    )


def step_config(graph: ModelProto, backend: StepBackend, batch: int = STEP_BATCH) -> str:
    """The configuration of the step graph, from the graph itself."""
    facts = _facts(graph)
    audio, *states = graph.graph.input
    results, after = graph.graph.output[:2], graph.graph.output[2:]
    platform = {"onnxruntime": "onnxruntime_onnx", "tensorrt": "tensorrt_plan"}[backend]
    return _text(
        {
            "name": "edgeser_step",
            "backend": backend,
            "platform": platform,
            "max_batch_size": batch,
            "input": [_tensor(audio)],
            "output": [_tensor(result) for result in results],
            "sequence_batching": {
                **_batching(),
                "state": [_state(*pair) for pair in zip(states, after, strict=True)],
            },
            "instance_group": [{"kind": _Word("KIND_AUTO"), "count": 1}],
            "parameters": _parameters({name: str(value) for name, value in facts.items()}),
        }
    )


def _batching() -> dict[str, Any]:
    return {
        "max_sequence_idle_microseconds": IDLE_SECONDS * 1_000_000,
        "oldest": {
            "max_candidate_sequences": SEQUENCES,
            "max_queue_delay_microseconds": PATIENCE_MICROSECONDS,
        },
    }


def _state(before: ValueInfoProto, after: ValueInfoProto) -> dict[str, Any]:
    kind, dims = _Word(_kind(before)), _dims(before)
    first = {"data_file": "level"} if before.name == "level" else {"zero_data": True}
    return {
        "input_name": before.name,
        "output_name": after.name,
        "data_type": kind,
        "dims": dims,
        "initial_state": [{"name": before.name, "data_type": kind, "dims": dims, **first}],
    }


def _tensor(value: ValueInfoProto) -> dict[str, Any]:
    return {"name": value.name, "data_type": _Word(_kind(value)), "dims": _dims(value)}


def _kind(value: ValueInfoProto) -> str:
    return _KINDS[int(value.type.tensor_type.elem_type)]


def _dims(value: ValueInfoProto) -> list[int]:
    """Without the batch, which comes first."""
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim][1:]


def _facts(graph: ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in graph.metadata_props}


def _parameters(values: Mapping[str, str]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"string_value": value}} for key, value in values.items()]


class _Word(str):
    """A name of protobuf's, which has no quotes."""

    __slots__ = ()


def _text(message: Mapping[str, Any], indent: str = "") -> str:
    """A message in protobuf's text format."""
    return "".join(_lines(message, indent))


def _lines(message: Mapping[str, Any], indent: str) -> Iterable[str]:
    for name, value in message.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping):
                yield f"{indent}{name} {{\n{_text(one, indent + '  ')}{indent}}}\n"
            else:
                yield f"{indent}{name}: {_scalar(one)}\n"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not isinstance(value, _Word):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
