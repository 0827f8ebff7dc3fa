"""Compile the kernels for any GPU, on a machine that needs none.

Needs Triton and nothing else of what trains: the extra ``compile``.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from edgeser.backends.cuda.index import (
    FRONT_END,
    INDEX,
    KERNELS,
    Argument,
    Index,
    Kernel,
    Variant,
    read_index,
    write_index,
)
from edgeser.backends.cuda.shapes import PRECISIONS, kernel_sizes, tacn_shape, vq_shape
from edgeser.backends.cuda.targets import PTX, capability, order
from edgeser.backends.cuda.triton.convolution import convolution
from edgeser.backends.cuda.triton.launch import (
    ALWAYS,
    CONFIGURATIONS,
    Configuration,
    Constants,
    check_widths,
    front_end_constants,
    stages,
    tacn_constants,
    vq_constants,
)
from edgeser.backends.cuda.triton.running_level import running_level
from edgeser.backends.cuda.triton.spectrum import spectrum
from edgeser.backends.cuda.triton.tacn_step import tacn_step
from edgeser.backends.cuda.triton.vq_fusion import vq_fusion
from edgeser.bundle import Bundle, Manifest
from edgeser.errors import BackendError

FUNCTIONS = {
    "vq_fusion": vq_fusion,
    "tacn_step": tacn_step,
    "spectrum": spectrum,
    "running_level": running_level,
    "convolution": convolution,
}

_TYPES = {
    "matrices": "*weight",
    "rows": "*i32",
    "layers": "*i32",
    "codes": "*i32",
    "taps": "*i32",
    "count": "i32",
}
"""Of arguments, beside those that are not specialized, which are ``i32``; all others are
``*fp32``."""
_PTX_VERSION = 80
"""Of the language of PTX: the oldest that has all that is used, for drivers since CUDA 12.0."""
_CUDA_13 = (110,)
"""Compute capabilities that the assemblers in Triton's own package do not know."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """One kernel for one precision, target and configuration."""

    code: bytes
    """An ELF file, or PTX."""
    symbol: str
    arguments: tuple[Argument, ...]
    shared_bytes: int
    registers: int
    """Of a thread; 0 for PTX, of which only a driver knows."""
    spilled_bytes: int
    """Spilled bytes of a thread: those that do not fit its registers."""


def compile_bundle(
    bundle: Bundle,
    targets: Sequence[str],
    precisions: Sequence[str],
    folder: Path,
    progress: Callable[[float], object] | None = None,
) -> Index:
    """Compile all kernels for a bundle's sizes; write code and index into ``folder``.

    Those of the front end are left out if the bundle does not tell its layers.

    Configurations of more than :data:`~edgeser.backends.cuda.triton.launch.ALWAYS` rows are left
    out if registers do not hold what they compute with. The same Triton writes the same bytes on
    any machine. What it has written there before, for the same sizes and for other targets or
    precisions, stays; all other files of an earlier index are deleted.

    Args:
        bundle: the model.
        targets: such as ``sm_87``, ``ptx_80``: see :func:`~edgeser.backends.cuda.targets.resolve`.
        precisions: some of :data:`edgeser.backends.cuda.shapes.PRECISIONS`.
        folder: made if it is not there.
        progress: called with the part done, 0 to 1.

    Returns:
        The index of the folder.

    Raises:
        BackendError: the model is too wide, a target needs a missing package, Triton fails, or
            the folder cannot be written.
    """
    manifest = bundle.manifest
    check_widths(tacn_shape(manifest), vq_shape(manifest))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None
    names = KERNELS if manifest.network is None else (*KERNELS, *FRONT_END)
    work = [
        (name, precision, target, chosen)
        for name in names
        for precision in precisions
        for target in targets
        for chosen in CONFIGURATIONS[name]
    ]
    arguments: dict[str, tuple[Argument, ...]] = {}
    variants: dict[str, list[Variant]] = {name: [] for name in names}
    codes: dict[str, bytes] = {}
    for done, (name, precision, target, chosen) in enumerate(work):
        if progress is not None:
            progress(done / len(work))
        made = compile_kernel(name, manifest, precision, target, chosen)
        if chosen.block_rows > ALWAYS and _spills(made, name, manifest, precision, target, chosen):
            continue
        arguments[name] = made.arguments
        suffix = "ptx" if target == PTX else "cubin"
        file = f"{name}-{precision}-{target}-{chosen.block_rows}.{suffix}"
        codes[file] = made.code
        variants[name].append(
            Variant(
                precision=precision,
                target=target,
                file=file,
                symbol=made.symbol,
                block_rows=chosen.block_rows,
                warps=chosen.warps,
                shared_bytes=made.shared_bytes,
                sha256=hashlib.sha256(made.code).hexdigest(),
                bytes=len(made.code),
            )
        )
    kernels = {
        name: Kernel(name, arguments[name], _own_constants(name, manifest), tuple(variants[name]))
        for name in names
    }
    index = Index(folder, bundle.hash, kernel_sizes(manifest), triton.__version__, kernels)
    return _write(index, codes)


def _spills(
    made: Compiled,
    name: str,
    manifest: Manifest,
    precision: str,
    target: str,
    chosen: Configuration,
) -> bool:
    """Whether registers do not hold a kernel; of PTX, whether those of the oldest GPU do not."""
    if target == PTX:
        made = compile_kernel(name, manifest, precision, f"sm_{capability(PTX)}", chosen)
    return made.spilled_bytes > 0


def compile_kernel(
    name: str, manifest: Manifest, precision: str, target: str, chosen: Configuration
) -> Compiled:
    """Compile one kernel; nothing is written.

    Raises:
        BackendError: a target needs a missing package, or Triton fails.
    """
    function = FUNCTIONS[name]
    if not isinstance(function, triton.JITFunction):
        raise BackendError("Triton does not compile while it interprets: unset TRITON_INTERPRET")
    fixed = constants(name, manifest, chosen.block_rows)
    own = tuple(
        Argument(p.name, _TYPES.get(p.name, "i32" if p.do_not_specialize else "*fp32"))
        for p in function.params
        if p.name not in fixed
    )
    signature = {argument.name: argument.type for argument in own}
    signature = {
        p.name: signature.get(p.name, "constexpr").replace("weight", precision)
        for p in function.params
    }
    aligned = {
        (p.num,): [["tt.divisibility", 16]]
        for p in function.params
        if signature[p.name].startswith("*") and not p.do_not_specialize_on_alignment
    }
    made = _compile(
        ASTSource(function, signature=signature, constexprs=dict(fixed), attrs=aligned),
        capability(target),
        {"num_warps": chosen.warps, "num_stages": stages(name)},
        f"{name} for {target}",
    )
    ptx, cubin = made.asm["ptx"], made.asm["cubin"]
    registers, spilled = (0, 0) if target == PTX else _resources(cubin)
    return Compiled(
        code=_without_comments(ptx).encode() if target == PTX else cubin,
        symbol=made.metadata.name,
        arguments=_arguments(own, ptx, made.metadata, name),
        shared_bytes=made.metadata.shared,
        registers=registers,
        spilled_bytes=spilled,
    )


def _without_comments(ptx: str) -> str:
    """PTX without comments and indentation, a fifth of its size."""
    return re.sub(r"\n\s+", "\n", re.sub(r"[ \t]*//[^\n]*", "", ptx)).lstrip()


def constants(name: str, manifest: Manifest, block_rows: int) -> Constants:
    """What is fixed when a kernel is compiled for the model of a manifest."""
    if name in FRONT_END:
        return front_end_constants(name, block_rows)
    if name == "tacn_step":
        return tacn_constants(tacn_shape(manifest), block_rows)
    return vq_constants(vq_shape(manifest), block_rows)


def _own_constants(name: str, manifest: Manifest) -> dict[str, Any]:
    """The constants that all configurations have."""
    one, other = (constants(name, manifest, rows) for rows in (1, 16))
    return {key: value for key, value in one.items() if other[key] == value}


def _compile(source: ASTSource, arch: int, options: dict[str, Any], what: str) -> Any:
    """Triton's compiled kernel, from nothing but the source: no cache, no setting of the user's."""
    printed = io.StringIO()
    if arch == capability(PTX):
        options = {**options, "ptx_version": _PTX_VERSION}
    with _settings(arch), contextlib.redirect_stdout(printed):
        try:
            return triton.compile(source, target=GPUTarget("cuda", arch, 32), options=options)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise BackendError(
                f"Triton {triton.__version__} cannot compile {what}: {reason}"
            ) from error


@contextlib.contextmanager
def _settings(arch: int) -> Iterator[None]:
    knobs = triton.knobs
    with (
        tempfile.TemporaryDirectory() as folder,
        knobs.cache.scope(),
        knobs.compilation.scope(),
        knobs.nvidia.scope(),
    ):
        knobs.cache.dir = folder
        knobs.compilation.disable_line_info = True  # three times the size, and names of paths
        if arch in _CUDA_13:
            knobs.nvidia.ptxas_blackwell = _newer_assembler()
        yield


def _newer_assembler() -> str:
    """The path of ``ptxas`` of CUDA 13: of the package from PyPI, or of the system."""
    package = importlib.util.find_spec("nvidia")
    folders = (package and package.submodule_search_locations) or ()
    for folder in (*(f"{folder}/cu13/bin" for folder in folders), None):
        found = shutil.which("ptxas", path=folder)
        if found and int(triton.knobs.NvidiaTool.from_path(found).version.partition(".")[0]) >= 13:
            return found
    raise BackendError(
        "code for Jetson Thor needs ptxas of CUDA 13 or later: pip install 'edgeser[compile]'"
    )


def _resources(cubin: bytes) -> tuple[int, int]:
    """Registers and bytes of stack of a thread, as ``cuobjdump`` of Triton's package has them."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        said = subprocess.run(  # noqa: S603
            [triton.knobs.nvidia.cuobjdump.path, "-res-usage", file.name],
            capture_output=True,
            text=True,
            check=True,
        )
    found = dict(re.findall(r"\b(REG|STACK):(\d+)", said.stdout + said.stderr))
    return int(found["REG"]), int(found["STACK"])


def _arguments(
    own: tuple[Argument, ...], ptx: str, metadata: Any, name: str
) -> tuple[Argument, ...]:
    """The kernel's arguments and the room that Triton adds, held against the code itself.

    Raises:
        BackendError: the code takes others, or needs that room.
    """
    declared = re.findall(r"\.param \.(u64|u32)[^,\n]*_param_\d+", ptx)
    spare = len(declared) - len(own)
    arguments = (*own, *(Argument(f"scratch_{n}", "null") for n in range(spare)))
    wanted = ["u32" if argument.type == "i32" else "u64" for argument in arguments]
    if declared != wanted or metadata.global_scratch_size or metadata.profile_scratch_size:
        raise BackendError(
            f"Triton {triton.__version__} compiles {name} with unexpected arguments: use Triton 3.6"
        )
    return arguments


def _write(made: Index, codes: dict[str, bytes]) -> Index:
    """Writes the new files, and an index of all files in the folder."""
    folder, index = made.folder, made
    earlier: set[str] = set()
    with contextlib.suppress(BackendError):
        before = read_index(folder)
        earlier, index = _files(before), _joined(before, made)
    try:
        (folder / INDEX).unlink(missing_ok=True)  # no index is better than one of other files
        for file in earlier - _files(index):
            (folder / file).unlink(missing_ok=True)
        for file, code in codes.items():
            (folder / file).write_bytes(code)
        write_index(index)
    except OSError as error:
        raise _unwritable(folder, error) from None
    return index


def _files(index: Index) -> set[str]:
    return {variant.file for kernel in index.kernels.values() for variant in kernel.variants}


def _joined(before: Index, made: Index) -> Index:
    """The new index, with those earlier variants that still fit it."""

    def kind(index: Index) -> tuple[object, ...]:
        fixed = {name: (k.arguments, k.constants) for name, k in index.kernels.items()}
        return index.sizes, index.triton, fixed

    if kind(before) != kind(made):
        return made
    kernels = {}
    for name, kernel in made.kernels.items():
        done = {(v.precision, v.target) for v in kernel.variants}
        kept = [v for v in before.kernels[name].variants if (v.precision, v.target) not in done]
        variants = sorted((*kernel.variants, *kept), key=_order)
        kernels[name] = replace(kernel, variants=tuple(variants))
    return replace(made, kernels=kernels)


def _order(variant: Variant) -> tuple[int, bool, int, int]:
    machine, number = order(variant.target)
    return PRECISIONS.index(variant.precision), machine, number, variant.block_rows


def _unwritable(folder: Path, error: OSError) -> BackendError:
    return BackendError(f"{folder}: cannot be written ({error.strerror or error})")
