"""The index of a folder of compiled kernels, written by ``edgeser compile``: files and launches.

``index.json`` lies beside the files that it names:

    {"format": 1, "model": "<hash of the bundle>", "sizes": {...}, "triton": "3.6.0",
     "kernels": {"tacn_step": {
        "arguments": [{"name": "tokens", "type": "*fp32"}, ...],
        "constants": {"WIDTH": 64, ...},
        "variants": [{"precision": "fp32", "target": "sm_87", "file": "...", "symbol": "tacn_step",
                      "block_rows": 1, "warps": 8, "shared_bytes": 1024, "sha256": "...",
                      "bytes": 20480}, ...]}, ...}}

A launch has ``ceil(rows / block_rows)`` programs (grid x; y and z are 1) of ``32 * warps`` threads
with ``shared_bytes`` of dynamic shared memory, and takes the arguments in the order given:

    *fp32, *i32   device addresses, aligned to 16 bytes
    *weight       the same, of values in the variant's precision
    i32           a value: of ``count`` the rows of the batch
    null          an address that must be zero: room that the compiler reserves and these kernels
                  do not use

``tacn_step``: tokens (B, C), states (the arena: blocks of ``TacnShape.block_bytes``), rows (B,)
int32 (which block a row steps; negative: the row sits out, its logits become NaN), the sections
matrices, vectors and layers of ``weights.pack_tacn``, logits (B, L), count B. No block may be
named twice.

``vq_fusion``: deep (B, F), latent (B, P, D), the sections matrices and vectors of
``weights.pack_vq``, tokens (B, C), codes (B, P) int32, count B.

``spectrum``, ``running_level`` and ``convolution`` are there if the bundle tells its front end's
layers. They have no sizes compiled in; ``front_end_shape.launches`` says what each is given. A
launch has as many programs for each block of columns, of which it has
``ceil(columns / BLOCK_COLUMNS)``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from edgeser.backends.cuda.shapes import PRECISIONS
from edgeser.bundle.signed import Signed, check_index
from edgeser.errors import BackendError
from edgeser.files import read_plain, write_whole

FORMAT = 1
"""The newest format of an index that this edgeser reads, and the one that it writes."""

INDEX = "index.json"
"""The name of the index in its folder."""

LARGEST = 64 << 20
"""Bytes. An index or a compiled kernel above this is refused before anything of it is read."""

KERNELS = ("vq_fusion", "tacn_step")
"""The kernels that a complete index has."""

FRONT_END = ("spectrum", "running_level", "convolution")
"""Those that it has as well, all or none: the front end."""

ARGUMENT_TYPES = ("*fp32", "*i32", "*weight", "i32", "null")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a launch; the types are those of the module's docstring."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Variant:
    """One compiled file: a kernel for a precision, a target and a number of rows a program."""

    precision: str
    target: str
    """``sm_87`` for machine code, ``ptx_80`` for code that a driver compiles for newer devices."""
    file: str
    """A plain name, in the index's folder."""
    symbol: str
    block_rows: int
    """Streams that one program steps."""
    warps: int
    shared_bytes: int
    """Dynamic shared memory of one program; above 48 KiB a launcher must ask the driver for it."""
    sha256: str
    bytes: int

    def programs(self, rows: int) -> int:
        """Grid x for a batch of ``rows``."""
        return -(-rows // self.block_rows)


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel's arguments, in launch order, what was fixed when it was compiled, and its files."""

    name: str
    arguments: tuple[Argument, ...]
    constants: Mapping[str, int | float | str | tuple[int, ...]]
    variants: tuple[Variant, ...]

    def variants_for(self, precision: str, capability: tuple[int, int]) -> tuple[Variant, ...]:
        """The variants that a device of a compute capability can run, fewest rows first.

        Prefers machine code for exactly this device, then for an older device of the same
        generation, then PTX. Code for a Jetson (8.7) runs only on a Jetson.

        Raises:
            BackendError: no variant runs on the device.
        """
        own = [v for v in self.variants if v.precision == precision]
        best = max((_fitness(v.target, capability) for v in own), default=(0, 0))
        if best == (0, 0):
            raise BackendError(
                f"{self.name} was not compiled in {precision} for compute capability "
                f"{capability[0]}.{capability[1]}: run `edgeser compile` for this device"
            )
        fitting = [v for v in own if _fitness(v.target, capability) == best]
        return tuple(sorted(fitting, key=lambda v: v.block_rows))


@dataclass(frozen=True, slots=True)
class Index:
    """A checked index. The files that it names are checked when they are read."""

    folder: Path
    model: str
    """Hash of the bundle whose sizes the kernels were compiled for."""
    sizes: Mapping[str, int]
    triton: str
    """The version of Triton that compiled them."""
    kernels: Mapping[str, Kernel]

    def check_sizes(self, sizes: Mapping[str, int]) -> None:
        """Raises BackendError unless the kernels were compiled for these sizes of a model."""
        for name in sorted(self.sizes.keys() | sizes.keys()):
            if self.sizes.get(name) != sizes.get(name):
                raise BackendError(
                    f"{self.folder / INDEX}: these kernels were compiled for {name} "
                    f"{self.sizes.get(name)}, and the model has {sizes.get(name)}: "
                    "run `edgeser compile` for this model"
                )

    def read(self, variant: Variant) -> bytes:
        """The compiled code of a variant.

        Raises:
            BackendError: the file is missing, or was changed after the index was written.
        """
        path = self.folder / variant.file
        data = _read(path, variant.bytes)
        if len(data) != variant.bytes or hashlib.sha256(data).hexdigest() != variant.sha256:
            raise BackendError(f"{path}: is damaged or altered: {_AGAIN}")
        return data


class _HasBlockRows(Protocol):
    @property
    def block_rows(self) -> int: ...


AnyVariant = TypeVar("AnyVariant", bound=_HasBlockRows)


def fastest(variants: tuple[AnyVariant, ...], rows: int, multiprocessors: int) -> AnyVariant:
    """The variant to launch for a batch: with the fewest rows per program that fit the device.

    ``variants`` are those of :meth:`Kernel.variants_for`. Programs with more rows read the weights
    less often, so they are faster if there are more streams than programs fit the device.
    """
    for variant in variants:
        if -(-rows // variant.block_rows) <= multiprocessors:
            return variant
    return variants[-1]


def read_index(folder: str | os.PathLike[str], *, signed: Signed | None = None) -> Index:
    """Read and check the index of ``folder``; none of the files that it names is opened.

    Args:
        folder: of the kernels.
        signed: the signature that must cover it, if any must.

    Raises:
        SignatureError: that signature covers another index, or none.
        BackendError: the index is missing or invalid; the message names the file and the reason.
    """
    path = Path(folder) / INDEX
    data = _read(path, LARGEST)
    if signed is not None:
        check_index(path, data, signed)
    try:
        raw = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # no text, no JSON, an integer of 5,000 digits
        raise BackendError(f"{path}: is not valid JSON ({error}): {_AGAIN}") from None
    try:
        return _index(Path(folder), raw)
    except _WrongError as error:
        raise BackendError(f"{path}: {error}") from None


def write_index(index: Index) -> Path:
    """Write ``index.json`` into its folder and return its path; the same index, the same bytes."""
    raw = {
        "format": FORMAT,
        "model": index.model,
        "sizes": dict(index.sizes),
        "triton": index.triton,
        "kernels": {
            name: {
                "arguments": [asdict(argument) for argument in kernel.arguments],
                "constants": dict(kernel.constants),
                "variants": [asdict(variant) for variant in kernel.variants],
            }
            for name, kernel in index.kernels.items()
        },
    }
    path = index.folder / INDEX
    write_whole(path, (json.dumps(raw, indent=1) + "\n").encode())
    return path


_AGAIN = "run `edgeser compile` again"


class _WrongError(Exception):
    """An index is invalid."""


def _fitness(target: str, capability: tuple[int, int]) -> tuple[int, int]:
    """How well code for a target suits a device, machine code first; (0, 0) if it does not."""
    kind, _, digits = target.partition("_")
    major, minor = int(digits[:-1]), int(digits[-1])
    if kind == "ptx":
        return (1, 10 * major + minor) if (major, minor) <= capability else (0, 0)
    if (major, minor) == capability:
        return 3, 0
    # What is compiled for 9.0 and later uses instructions of that device alone.
    jetson = (8, 7) in (capability, (major, minor))
    older = major == capability[0] == 8 and minor < capability[1]
    return (2, minor + 1) if older and not jetson else (0, 0)


def _index(folder: Path, raw: object) -> Index:
    table = _object(raw, "the whole")
    number = table.get("format")
    if type(number) is not int or number < 1:
        raise _WrongError("format must be a whole number from 1")
    if number > FORMAT:
        raise _WrongError(
            f"has format {number}, made by a newer edgeser; this one reads up to {FORMAT}: "
            "upgrade edgeser"
        )
    kernels = _object(table.get("kernels"), "kernels")
    if set(kernels) not in (set(KERNELS), {*KERNELS, *FRONT_END}):
        raise _WrongError(
            f"kernels must be exactly {' and '.join(KERNELS)}, or these and {', '.join(FRONT_END)}"
        )
    sizes = _object(table.get("sizes"), "sizes")
    for name, size in sizes.items():
        _whole(size, f"sizes.{name}", 1)
    return Index(
        folder=folder,
        model=_text(table.get("model"), "model", "[0-9a-f]{64}"),
        sizes=sizes,
        triton=_text(table.get("triton"), "triton", "[0-9A-Za-z.+-]{1,64}"),
        kernels={name: _kernel(name, entry) for name, entry in kernels.items()},
    )


def _kernel(name: str, raw: object) -> Kernel:
    table = _object(raw, name)
    arguments = tuple(
        Argument(
            _text(_object(entry, f"{name}.arguments").get("name"), f"{name}: an argument's name"),
            _one_of(
                _object(entry, name).get("type"), f"{name}: an argument's type", ARGUMENT_TYPES
            ),
        )
        for entry in _list(table.get("arguments"), f"{name}.arguments")
    )
    constants = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in _object(table.get("constants"), f"{name}.constants").items()
    }
    variants = tuple(
        _variant(name, entry) for entry in _list(table.get("variants"), f"{name}.variants")
    )
    return Kernel(name, arguments, constants, variants)


def _variant(kernel: str, raw: object) -> Variant:
    table = _object(raw, f"{kernel}.variants")
    # A name that could lead out of the folder has a separator, or is made of dots alone.
    file = _text(table.get("file"), f"{kernel}: file", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
    where = f"{kernel}: {file}"
    return Variant(
        precision=_one_of(table.get("precision"), f"{where}: precision", PRECISIONS),
        target=_text(table.get("target"), f"{where}: target", "(sm|ptx)_[1-9][0-9]{1,2}"),
        file=file,
        symbol=_text(table.get("symbol"), f"{where}: symbol", "[A-Za-z_][A-Za-z0-9_]{0,127}"),
        block_rows=_whole(table.get("block_rows"), f"{where}: block_rows", 1, 1 << 16),
        warps=_whole(table.get("warps"), f"{where}: warps", 1, 32),
        shared_bytes=_whole(table.get("shared_bytes"), f"{where}: shared_bytes", 0, 1 << 20),
        sha256=_text(table.get("sha256"), f"{where}: sha256", "[0-9a-f]{64}"),
        bytes=_whole(table.get("bytes"), f"{where}: bytes", 1, LARGEST),
    )


def _read(path: Path, most: int) -> bytes:
    """The bytes of a plain file, which has no more than ``most``."""
    try:
        return read_plain(path, most)[0]
    except FileNotFoundError:
        raise BackendError(f"{path}: there is no such file: {_AGAIN}") from None
    except OSError as error:
        raise BackendError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError as error:  # a pipe would be waited for
        raise BackendError(f"{path}: cannot be read: {error}: {_AGAIN}") from None


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _WrongError(f"{where} must be an object")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list) or not value:
        raise _WrongError(f"{where} must be a list that is not empty")
    return value


def _text(value: object, where: str, pattern: str = "[A-Za-z_][A-Za-z0-9_]{0,63}") -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise _WrongError(f"{where} is {value!r}, which is invalid")
    return value


def _one_of(value: object, where: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise _WrongError(f"{where} must be one of {', '.join(choices)}, not {value!r}")
    return str(value)


def _whole(value: object, where: str, low: int, high: int = 1 << 31) -> int:
    if type(value) is not int or not low <= value <= high:
        raise _WrongError(f"{where} must be a whole number from {low} to {high}, not {value!r}")
    return value
