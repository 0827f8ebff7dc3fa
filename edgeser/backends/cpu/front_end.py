"""The front end on a CPU: segments of audio to features.

It uses our own kernel if the bundle has the layers of the network, else ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from edgeser.backends.onnx_runtime import onnx_runtime
from edgeser.bundle import Sizes
from edgeser.errors import BackendError, BundleError

if TYPE_CHECKING:
    from edgeser._kernels import FrontEnd as FrontEndKernel

FloatArray = npt.NDArray[np.float32]

_OUTPUTS = ["deep", "latent", "level_out"]


class Features(NamedTuple):
    """The output of the front end for B segments."""

    deep: FloatArray
    """(B, F): R_d of the paper."""
    latent: FloatArray
    """(B, P, D): E_o of the paper, before quantisation."""
    level: FloatArray
    """(B,): the new running levels in dBFS."""


class FrontEnd(Protocol):
    """Immutable; any number of threads may call it at once.

    One thread a call and none of its own: a stream's work is a fraction of a millisecond every
    128, and thread pools that spin for more would fight each other and the host.
    """

    def __call__(self, segments: FloatArray, levels: FloatArray) -> Features:
        """Features of ``segments`` (B, segment) in [-1, 1], given running ``levels`` (B,) in dBFS.

        Raises:
            BackendError, KernelError: it failed.
        """


class KernelFrontEnd:
    """The network in C++: see ``csrc/front_end``."""

    def __init__(self, kernel: FrontEndKernel) -> None:
        self.kernel = kernel

    def __call__(self, segments: FloatArray, levels: FloatArray) -> Features:
        """See :class:`FrontEnd`."""
        return Features(*self.kernel(segments, levels))


class OnnxFrontEnd:
    """Runs ``frontend.onnx`` in ONNX Runtime."""

    def __init__(
        self,
        graph: bytes,
        sizes: Sizes,
        level_initial: float,
        provider: str = "CPUExecutionProvider",
        provider_options: Mapping[str, str] | None = None,
    ) -> None:
        """Make a session on one of ONNX Runtime's execution providers.

        Raises:
            BundleError: ONNX Runtime refuses the graph, or its outputs have wrong shapes.
            BackendError: the provider cannot be used here.
        """
        ort = onnx_runtime()
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3  # errors only: a library does not print
        options.use_deterministic_compute = True
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                graph,
                sess_options=options,
                providers=[(provider, dict(provider_options or {}))],
            )
        except Exception as error:
            raise BundleError(
                f"frontend.onnx: ONNX Runtime {ort.__version__} refuses it ({error})"
            ) from error
        if provider not in self._session.get_providers():
            raise BackendError(f"ONNX Runtime {ort.__version__} cannot use its {provider} here")
        self._try_out(sizes, level_initial)

    def __call__(self, segments: FloatArray, levels: FloatArray) -> Features:
        """See :class:`FrontEnd`. Raises BackendError if ONNX Runtime fails."""
        try:
            return Features(*self._session.run(_OUTPUTS, {"segment": segments, "level": levels}))
        except Exception as error:
            raise BackendError(f"the front end failed ({error})") from error

    def _try_out(self, sizes: Sizes, level_initial: float) -> None:
        # A graph's declared shapes are claims. One run on silence, alone and in a batch, shows
        # what it really returns.
        for batch in (1, 2):
            silence = np.zeros((batch, sizes.segment), np.float32)
            try:
                features = self(silence, np.full(batch, level_initial, np.float32))
            except BackendError as error:
                raise BundleError(f"frontend.onnx: {error}") from error
            wanted = ((batch, sizes.deep), (batch, sizes.positions, sizes.code_width), (batch,))
            for name, array, shape in zip(_OUTPUTS, features, wanted, strict=True):
                if array.shape != shape:
                    raise BundleError(
                        f"frontend.onnx: {name} comes out as {array.shape}; "
                        f"the sizes in manifest.json ask for {shape}"
                    )
                if not np.isfinite(array).all():
                    raise BundleError(f"frontend.onnx: {name} is not finite for silence")
