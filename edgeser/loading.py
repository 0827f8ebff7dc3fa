"""From a bundle on disk to a model that runs."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from edgeser.backends.cpu.engine import Engine
from edgeser.backends.interface import Executor
from edgeser.bundle import read_bundle
from edgeser.bundle.bundled import BUNDLED
from edgeser.bundle.reader import parse_bundle
from edgeser.errors import BackendError, BundleError, LicenceNotice, SignatureError
from edgeser.model import Model
from edgeser.options import Backend, Precision, check_backend, check_precision

if TYPE_CHECKING:
    from edgeser.signing import Key


def load(
    path: str | os.PathLike[str] | None = None,
    *,
    backend: Backend = "cpu",
    precision: Precision | Literal["auto"] = "float32",
    kernels: str | os.PathLike[str] | None = None,
    allow_onnx: bool = False,
    key: Key | None = None,
    progress: Callable[[float], object] | None = None,
) -> Model:
    """Loads a model: the bundled one, or that of a bundle file.

    The file is fully checked, and nothing in it is executed or unpickled. Load a model once: it is
    immutable, and any number of streams and threads may use it.

    Args:
        path: a ``NAME.edgeser`` file; None for the bundled model.
        backend: executes the model. ``"cpu"``; ``"cuda"``: the first NVIDIA GPU of this machine.
            It needs the extra ``cuda``; if the bundle has its front end only as a graph, that runs
            in TensorRT or, without it, in ONNX Runtime. ``"auto"``: the GPU if it can be used, else
            the CPU; if the GPU fails later, all streams continue on the CPU from their current
            state. If anything runs elsewhere than requested, the reason is logged once;
            ``edgeser doctor`` prints it too.
        precision: number format of the network's weights. ``"float32"``: as trained.
            ``"bfloat16"``: half the memory to read in each step, arithmetic in float32.
            ``"int8"``: a quarter, with a scale for each output, and for each token or map
            that they multiply. Spectra and attention are float32 in all three. A saved stream of
            ``"float32"`` can be resumed in ``"bfloat16"`` and vice versa; one of ``"int8"``, whose
            state is less than half as large, only in ``"int8"``. The precision does not apply to a
            front end in ONNX Runtime or TensorRT. There is no ``"int8"`` on a GPU.
            ``"auto"``: the fastest on this machine's CPU, timed for some 70 ms, among those
            that change the emotion of at most 1% of the verdicts of the bundled model (other
            bundles may differ); ``model.precision`` has the choice. Another load, or another
            machine, may choose another.
            docs/model/precision.md has the effect on results.
        kernels: for a GPU, the folder that ``edgeser compile`` wrote; None for ``NAME.kernels``
            beside the bundle or, if there is none, those of the bundled model, which work for all
            models of the same sizes.
        allow_onnx: let ONNX Runtime run the front end if the bundle does not contain its layers;
            on a GPU also TensorRT, and also if our own kernels cannot be used there. Such a graph
            is a program. Our checks limit what it can access (no files, no other graphs), but not
            what it computes: allow it only if you trust its author. The bundled model needs no
            permission.
        key: public key that the bundle must be signed with: the path of a PEM file with one or more
            Ed25519 keys, or the 32 bytes of one. ``NAME.edgeser.sig``, as written by
            ``edgeser sign``, must then be beside the bundle and valid; it also covers the GPU
            kernels beside it. None checks no signature. Needs the extra ``sign``.
        progress: called with the progress, from 0 to 1, while TensorRT builds an engine, which can
            take minutes; later loads find it in ``~/.cache/edgeser``.

    Warns:
        LicenceNotice: the licence restricts the use of the bundle; the message names it.

    Raises:
        BundleError: the file is missing, damaged, altered, too new or contradicts itself, or its
            front end needs ONNX Runtime and ``allow_onnx`` is false.
        SignatureError: with ``key``: the bundle is not signed, or by another key, or was changed.
        BackendError: the backend or precision does not exist or does not work here; the message
            says why.
        DeviceError: ``backend`` requires a GPU, and none can be used.
    """
    check_backend(backend)
    if precision != "auto":
        check_precision(precision)
    elif backend != "cpu":
        raise BackendError(
            f'precision="auto" works only on the CPU: choose a precision for backend={backend!r}'
        )
    if path is None:
        if not os.path.isfile(BUNDLED):  # noqa: PTH113
            raise BundleError(
                "this installation comes without the bundled model: pass the path of a bundle, "
                "or install edgeser again"
            )
        path = BUNDLED
    signed = None
    if key is None:
        bundle = read_bundle(path, graph=backend != "cpu")
    else:
        from edgeser.signing import verify

        if not isinstance(path, str | os.PathLike):
            raise BundleError(f"a bundle is given by its path, not by {type(path).__name__}")
        signed = verify(path, key, kernels=False)
        try:
            bundle = parse_bundle(signed.data, graph=backend != "cpu")
        except BundleError as error:
            raise BundleError(f"{path}: {error}") from None
    if bundle.manifest.network is None and not allow_onnx:
        raise BundleError(
            f"{path}: its front end is only an ONNX graph, which needs ONNX Runtime: if you trust "
            "its source, load it with edgeser.load(path, allow_onnx=True); otherwise request a "
            "bundle that describes its layers"
        )
    if not is_commercial(bundle.manifest.licence):
        warnings.warn(
            f"{bundle.manifest.name} is under {bundle.manifest.licence}: not for commercial use",
            LicenceNotice,
            stacklevel=2,
        )
    try:
        if precision == "auto":
            from edgeser.fastest import fastest_precision

            chosen = fastest_precision(bundle)
        else:
            chosen = precision
        if backend == "cpu":
            engine: Executor = Engine(bundle, chosen)
        else:
            from pathlib import Path

            from edgeser.backends.cuda.factory import open_auto, open_cuda
            from edgeser.bundle.paths import DEFAULT_BUNDLE, kernels_folder

            folder = kernels_folder(Path(path)) if kernels is None else Path(kernels)
            open_there = open_cuda if backend == "cuda" else open_auto
            shipped = DEFAULT_BUNDLE.with_suffix(".kernels")  # as trusted as this package
            covers = None if folder == shipped else signed
            graph = allow_onnx or path == BUNDLED  # ours is as trusted as this package, too
            engine = open_there(
                bundle, folder, chosen, progress=progress, signed=covers, graph=graph
            )
    except SignatureError:
        raise
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    model = Model(engine)
    if logging := sys.modules.get("logging"):  # else nobody listens: it is a tenth of our import
        logging.getLogger(__name__).debug(
            "%s: %r on %s, %s, SIMD %s", path, model, model.backend, chosen, model.simd
        )
    return model


def is_commercial(licence: str) -> bool:
    """Whether no part of a licence's SPDX expression is for non-commercial use only."""
    return "-NC-" not in f"-{licence.upper()}-".replace(" ", "-")
