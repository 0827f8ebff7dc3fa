"""From an ONNX graph to a serialised engine.

Precision is the graph's own: casts to float16, or quantise and dequantise nodes for int8. The
builder is told to follow it, so the same graph in ONNX Runtime shows what precision costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeser.backends.tensorrt.flavour import Capability, Flavour
from edgeser.backends.tensorrt.log import Log
from edgeser.errors import BackendError

Progress = Callable[[float], object]
"""Called with the part done, from 0 to 1, never falling; on the thread that builds."""

LARGEST_BATCH = 4096
_SHOWN_ERRORS = 3


@dataclass(frozen=True, slots=True)
class Batches:
    """The batch sizes of an engine, 1 to ``most``; it is tuned for ``usual``."""

    usual: int
    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.usual <= self.most <= LARGEST_BATCH:
            raise BackendError(
                f"the usual batch is {self.usual} and the largest {self.most}; required: 1 <= "
                f"usual <= largest <= {LARGEST_BATCH}"
            )


def build(
    flavour: Flavour,
    graph: bytes,
    batches: Batches,
    *,
    target: Capability | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Builds an engine; the result can be stored, and deserialised by the same version.

    Takes less than a second to minutes. Ctrl-C stops it. Float32 stays float32, without TF32.

    Args:
        flavour: which TensorRT.
        graph: serialised ONNX, self-contained; the first dimension of every input is a free batch
            and no other dimension is free.
        batches: the batch sizes.
        target: compute capability of the GPU that will run it; None for the local one.
        progress: called with the progress, in [0, 1].

    Raises:
        BackendError: TensorRT refuses the graph, cannot build for ``target``, finds no GPU though
            it needs one, or fails; the message has its reasons.
    """
    trt = flavour.api
    said = Log(trt)
    try:
        builder = trt.Builder(said.logger)
        network = builder.create_network(flavour.network_flags())
        config = builder.create_builder_config()
    except Exception as error:
        raise BackendError(
            f"{flavour.title} cannot begin to build ({said.reason(error)}): "
            "it needs an NVIDIA GPU and its driver"
        ) from error
    _parse(flavour, network, graph, said)
    flavour.aim(config, target)
    config.clear_flag(trt.BuilderFlag.TF32)
    config.add_optimization_profile(_profile(builder, network, batches))
    watch = _Watch(trt, progress)
    config.progress_monitor = watch.monitor
    try:
        plan = builder.build_serialized_network(network, config)
    except Exception as error:
        raise BackendError(f"{flavour.title} failed ({said.reason(error)})") from error
    if watch.interrupted is not None:
        raise watch.interrupted
    if plan is None:
        raise BackendError(f"{flavour.title} could not build an engine ({said.reason()})")
    watch.tell(1.0)
    return bytes(plan)


def _parse(flavour: Flavour, network: Any, graph: bytes, said: Log) -> None:
    parser = flavour.api.OnnxParser(network, said.logger)
    if not parser.parse(graph):
        errors = [parser.get_error(i) for i in range(parser.num_errors)]
        reasons = [
            f"{e.node_operator() or 'graph'} {e.node_name()}".strip() + f": {e.desc()}"
            for e in errors[:_SHOWN_ERRORS]
        ]
        raise BackendError(
            f"{flavour.title} {flavour.version} does not take this ONNX graph "
            f"({'; '.join(reasons) or said.reason()})"
        )
    if network.num_outputs == 0:  # bytes that are no ONNX may be taken for an empty graph
        raise BackendError(f"{flavour.title}: the data is not an ONNX graph, or is empty")


def _profile(builder: Any, network: Any, batches: Batches) -> Any:
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        batch, *inner = tuple(tensor.shape)
        if batch != -1 or any(size < 1 for size in inner):
            raise BackendError(
                f"input {tensor.name} has shape {tuple(tensor.shape)}: its first dimension must "
                "be a free batch, and no other may be free"
            )
        profile.set_shape(tensor.name, (1, *inner), (batches.usual, *inner), (batches.most, *inner))
    return profile


class _Watch:
    """Turns TensorRT's nested phases into one number, and Ctrl-C into an end of the build.

    A phase says of how many steps it is made and that it is a part of one step of another. Each
    step of a phase is taken for equally long; so the number only roughly follows the clock.
    """

    def __init__(self, trt: Any, progress: Progress | None) -> None:
        self.interrupted: BaseException | None = None
        self._progress = progress
        self._spans: dict[str, tuple[float, float, int]] = {}  # begin, width, steps
        self._done = 0.0
        watch = self

        class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.IProgressMonitor.__init__(self)

            def phase_start(
                self, phase_name: str, parent_phase: str | None, num_steps: int
            ) -> None:
                watch.start(phase_name, parent_phase, num_steps)

            def step_complete(self, phase_name: str, step: int) -> bool:
                return watch.step(phase_name, step)

            def phase_finish(self, phase_name: str) -> None:
                watch.finish(phase_name)

        self.monitor = Monitor()

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        if parent in self._spans:
            _, width, of = self._spans[str(parent)]
            self._spans[phase] = (self._done, width / max(of, 1), steps)
        else:
            self._spans[phase] = (self._done, 1.0 - self._done, steps)

    def step(self, phase: str, step: int) -> bool:
        begin, width, steps = self._spans.get(phase, (self._done, 0.0, 1))
        self.tell(begin + width * (step + 1) / max(steps, 1))
        return self.interrupted is None

    def finish(self, phase: str) -> None:
        begin, width, _ = self._spans.pop(phase, (self._done, 0.0, 1))
        self.tell(begin + width)

    def tell(self, done: float) -> None:
        # An exception must not pass through TensorRT: it is kept, and ends the build.
        self._done = max(self._done, min(done, 1.0))
        if self._progress is None or self.interrupted is not None:
            return
        try:
            self._progress(self._done)
        except BaseException as error:  # noqa: BLE001
            self.interrupted = error
