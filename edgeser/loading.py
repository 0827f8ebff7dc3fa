"""From a bundle on disk to a model that runs."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgeser.backends.cpu.engine import Engine
from edgeser.backends.interface import Executor
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE, kernels_folder
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
    """Load a model: the bundled one, or that of a bundle file.

    The file is checked thoroughly and nothing in it is executed or unpickled. Load once and share:
    a model is immutable, and any number of streams and threads may use it.

    Args:
        path: a ``NAME.edgeser`` file; None for the bundled model.
        backend: what executes it. ``"cpu"``. ``"cuda"``: this machine's first NVIDIA GPU; it needs
            the extra ``cuda``, and a front end that the bundle tells as a graph alone needs
            TensorRT or, where that is missing, runs in ONNX Runtime. ``"auto"``: the GPU where it
            can be used, else the CPU; should the GPU fail later, every stream goes on on the CPU
            from where it was. Whenever something runs elsewhere than asked for, the log says so
            once, and why; so does ``edgeser doctor``.
        precision: how the weights of the network are kept. ``"float32"``: as trained.
            ``"bfloat16"``: half the memory to read in each step, arithmetic in float32.
            ``"int8"``: a quarter of it, with a scale for each output, and for each token or map
            that they multiply. Spectra and attention are float32 in all three. A saved stream of
            float32 goes on in bfloat16 and the other way round; one of int8, whose state is less
            than half as large, in int8 alone. A front end that runs in ONNX Runtime stays as it is
            in the bundle, and so does one in TensorRT. A GPU has no ``"int8"``.
            ``"auto"``: the fastest of them on this machine's CPU, timed for some 70 ms, of those
            with which the bundled model names another emotion in at most 1% of the verdicts (other
            bundles' may differ); ``model.precision`` says which it is. Another load, or another
            machine, may choose another.
            docs/model/precision.md has what it does to results.
        kernels: for a GPU, the folder that ``edgeser compile`` wrote; None for ``NAME.kernels``
            beside the bundle or, if there is none, those of the bundled model, which serve every
            other of its sizes.
        allow_onnx: let ONNX Runtime run the front end of a bundle that does not tell its layers.
            Such a graph is a program of its own, of which our checks can say what it may not reach
            (files, other graphs) but not what it does: allow it where you know who made it.
        key: of whom the bundle must be: the path of a PEM file with one or more Ed25519 public
            keys, or the 32 bytes of one. ``NAME.edgeser.sig``, as ``edgeser sign`` writes it, must
            then lie beside the bundle and hold; it also covers the kernels for GPUs beside it.
            None believes the file as it is. Needs the extra ``sign``.
        progress: called with the part done, from 0 to 1, while TensorRT builds an engine, which can
            take minutes; later loads find it in ``~/.cache/edgeser``.

    Warns:
        LicenceNotice: the bundle may not be used for every purpose; the message names its licence.

    Raises:
        BundleError: the file is missing, damaged, altered, too new or contradicts itself, or its
            front end is for ONNX Runtime alone and ``allow_onnx`` was not said.
        SignatureError: with ``key``: the bundle is not signed, or by another, or was changed since.
        BackendError: there is no such backend or precision, or it does not work here; the message
            says why.
        DeviceError: there is no GPU that can be used, and ``backend`` asks for one.
    """
    check_backend(backend)
    if precision != "auto":
        check_precision(precision)
    elif backend != "cpu":
        raise BackendError(
            f'precision="auto" times the CPU: say which precision backend={backend!r} should have'
        )
    if path is None:
        if not DEFAULT_BUNDLE.is_file():
            raise BundleError(
                "this installation comes without the bundled model: pass the path of a bundle, "
                "or install edgeser again"
            )
        path = DEFAULT_BUNDLE
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
            f"{path}: its front end is an ONNX graph alone, which ONNX Runtime would run: if you "
            "know who made this bundle, load it with edgeser.load(path, allow_onnx=True); else "
            "ask for one that tells its layers"
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
            from edgeser.backends.cuda.factory import open_auto, open_cuda

            folder = kernels_folder(Path(path)) if kernels is None else Path(kernels)
            open_there = open_cuda if backend == "cuda" else open_auto
            shipped = DEFAULT_BUNDLE.with_suffix(".kernels")  # as far to be trusted as this code
            covers = None if folder == shipped else signed
            engine = open_there(bundle, folder, chosen, progress=progress, signed=covers)
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
    """Whether a licence's SPDX expression has no part for non-commercial use only."""
    return "-NC-" not in f"-{licence.upper()}-".replace(" ", "-")
