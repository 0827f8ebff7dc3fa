"""What the Python backend of Triton Inference Server calls; only inside of it can it be imported.

The repository's own ``model.py`` imports this, so what runs is the package that is installed where
the server runs. Inputs and outputs are those of ``repository.py``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb  # of the server

from edgeser.errors import AudioError, EdgeserError, StateError
from edgeser.loading import load
from edgeser.results import EmotionFrame
from edgeser.serve.protocol import frame_event, utterance_event, version_of
from edgeser.streaming.utterances import UtteranceEvent
from edgeser.streaming.vad import Silero
from edgeser.tritonserver.sequences import Heard, Piece, Sequences

_START = pb.TRITONSERVER_REQUEST_FLAG_SEQUENCE_START
_END = pb.TRITONSERVER_REQUEST_FLAG_SEQUENCE_END


class TritonPythonModel:
    """One instance: a separate process with its own pool."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the bundle beside the repository's ``model.py``."""
        config = json.loads(args["model_config"])
        given = {name: value["string_value"] for name, value in config["parameters"].items()}
        folder = Path(args["model_repository"], args["model_version"])
        model = load(
            folder / given["bundle"], backend=given["backend"], precision=given["precision"]
        )
        idle = int(config["sequence_batching"]["max_sequence_idle_microseconds"]) / 1e6
        self._version = version_of(model)
        self._labels = {label: place for place, label in enumerate(model.labels)}
        silero = given["vad"] == "silero"
        self._sequences = Sequences(model, idle, lambda: Silero() if silero else None)

    def execute(self, requests: list[Any]) -> list[Any]:
        """A batch: a request each of different sequences."""
        came = time.monotonic()
        pieces: dict[int, Piece] = {}
        results: dict[int, Heard | EdgeserError] = {}
        for place, request in enumerate(requests):
            try:
                pieces[place] = _piece(request)
            except EdgeserError as error:  # noqa: PERF203
                results[place] = error
        results |= dict(zip(pieces, self._sequences.hear([*pieces.values()]), strict=True))
        return [
            self._response(request, results[place], came) for place, request in enumerate(requests)
        ]

    def _response(self, request: Any, result: Heard | EdgeserError, came: float) -> Any:
        if isinstance(result, EdgeserError):
            theirs = isinstance(result, AudioError | StateError)  # what they sent
            code = pb.TritonError.INVALID_ARG if theirs else pb.TritonError.INTERNAL
            return pb.InferenceResponse(error=pb.TritonError(str(result), code))
        frames = result.frames
        makers: dict[str, Callable[[], Any]] = {
            "events": lambda: self._events(frames, result.events, came),
            "time": lambda: np.array([f.time for f in frames], np.float64),
            "label": lambda: np.array([self._labels.get(f.label or "", -1) for f in frames], "i4"),
            "probabilities": lambda: np.array(
                [[*f.probabilities.values()] for f in frames], np.float32
            ).reshape(-1, len(self._labels)),
            "speech": lambda: np.array([f.speech for f in frames], np.float32),
        }
        outputs = [
            pb.Tensor(name, makers[name]()[None]) for name in request.requested_output_names()
        ]
        return pb.InferenceResponse(outputs)

    def _events(self, frames: list[EmotionFrame], events: list[UtteranceEvent], came: float) -> Any:
        """The messages of the WebSocket server as JSON texts, frames first."""
        latency, version = round(1000 * (time.monotonic() - came), 2), self._version
        told = [frame_event(frame, latency, version) for frame in frames]
        told += [e for event in events if (e := utterance_event(event, version)) is not None]
        return np.array([json.dumps(event, ensure_ascii=False).encode() for event in told], object)


def _piece(request: Any) -> Piece:
    given = {
        name: tensor.as_numpy()[0]
        for name in ("audio", "pcm", "sample_rate")
        if (tensor := pb.get_input_tensor_by_name(request, name)) is not None
    }
    if "audio" in given and "pcm" in given:
        raise AudioError("both audio and pcm were sent: send only one")
    flags = request.flags()
    return Piece(
        request.correlation_id(),
        start=bool(flags & _START),
        end=bool(flags & _END),
        samples=given.get("audio", given.get("pcm")),
        sample_rate=int(given["sample_rate"][0]) if "sample_rate" in given else None,
    )
