"""The fake GPU with the front end's real kernels, interpreted on its memory.

So what is launched, with which arguments and on which memory is what a GPU would get, and what
comes out is what the kernels compute.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgeser.backends.cuda.device import Argument, Kernel
from edgeser.backends.cuda.index import FRONT_END, Index, Variant, write_index
from edgeser.backends.cuda.index import Argument as IndexArgument
from edgeser.backends.cuda.index import Kernel as IndexKernel
from edgeser.backends.cuda.shapes import tacn_shape, vq_shape
from edgeser.backends.cuda.triton.compile import FUNCTIONS
from edgeser.backends.cuda.triton.launch import front_end_constants
from edgeser.bundle import Bundle
from tests.backends.cuda.fake import FakeDevice, FakeKernel, make_index
from tests.kernels import tensor_cores

ROWS = {"spectrum": (16, 64), "running_level": (1,), "convolution": (16, 64)}
"""Rows of a program: more than in compiled ones, so that few programs are interpreted."""
WARPS = {1: 1, 16: 2, 64: 8}
"""Different row counts, so that a launch identifies its kernel."""
_POINTERS = {"matrices": "*weight", "taps": "*i32"}


@dataclass
class Interpreting(FakeDevice):
    """As above. ``silent``: the front end's kernels are launched and do nothing."""

    silent: bool = False

    def load(self, code: bytes, symbol: str, shared_bytes: int) -> FakeKernel:
        """As the fake does; it knows how a kernel of the front end computes when it is launched."""
        if symbol not in FRONT_END:
            return super().load(code, symbol, shared_bytes)
        assert self._recording is None, "code while a graph is recorded"
        assert code.startswith(f"code of {symbol}".encode())
        self.check("load")
        return FakeKernel(symbol, lambda _: None)

    def launch(
        self,
        kernel: Kernel,
        programs: int,
        threads: int,
        shared_bytes: int,
        arguments: Sequence[Argument],
    ) -> None:
        """Of the front end: as many programs as are asked for."""
        assert isinstance(kernel, FakeKernel)
        if kernel.symbol in FRONT_END and not self.silent:
            run = partial(self.interpret, kernel.symbol, programs, threads)
            kernel = FakeKernel(kernel.symbol, run)
        super().launch(kernel, programs, threads, shared_bytes, arguments)

    def interpret(
        self, symbol: str, programs: int, threads: int, arguments: Sequence[Argument]
    ) -> None:
        """Run so many programs of a kernel of the front end."""
        listed = front_end_arguments(symbol)
        given: list[Any] = []
        for argument, value in zip(listed, arguments, strict=True):
            if argument.type == "null":
                assert type(value) is int
                assert value == 0
            elif argument.type == "i32":
                assert isinstance(value, np.int32)
                given.append(int(value))
            else:
                dtype = np.int32 if argument.type == "*i32" else np.float32
                given.append(self.tensor(int(value), dtype))
        rows = {32 * warps: rows for rows, warps in WARPS.items()}[threads]
        fixed = front_end_constants(symbol, rows)
        with tensor_cores.counting():
            FUNCTIONS[symbol][(programs,)](*given, **fixed)

    def tensor(self, address: int, dtype: Any) -> torch.Tensor:
        """From an address to the end of the memory that it lies in."""
        for start, reference in self._blocks.items():
            block = reference()
            if block is not None and start <= address < start + block.data.size:
                return torch.from_numpy(block.data[address - start :].view(dtype))
        raise AssertionError(f"{address} is not in the device's memory")


def interpreting_device(bundle: Bundle, **options: Any) -> Interpreting:
    """Such a fake device, with a model's kernels."""
    return Interpreting(tacn_shape(bundle.manifest), vq_shape(bundle.manifest), **options)


def front_end_arguments(name: str) -> tuple[IndexArgument, ...]:
    """As the kernel has them, and a null one."""
    function = FUNCTIONS[name]
    fixed = front_end_constants(name, 16)
    numbers = function.kwargs["do_not_specialize"]
    own = [
        IndexArgument(n, "i32" if n in numbers else _POINTERS.get(n, "*fp32"))
        for n in function.arg_names
        if n not in fixed
    ]
    return (*own, IndexArgument("scratch", "null"))


def make_full_index(folder: Path, bundle: Bundle) -> Index:
    """The fake's kernels, and the front end's."""
    index = make_index(folder, bundle)
    kernels = dict(index.kernels)
    for name in FRONT_END:
        variants = []
        for rows in ROWS[name]:
            file, code = f"{name}-{rows}.cubin", f"code of {name} {rows}".encode()
            (folder / file).write_bytes(code)
            digest = hashlib.sha256(code).hexdigest()
            variants.append(
                Variant("fp32", "sm_86", file, name, rows, WARPS[rows], 512, digest, len(code))
            )
        one, other = (front_end_constants(name, rows) for rows in (1, 16))
        shared = {key: value for key, value in one.items() if other[key] == value}
        kernels[name] = IndexKernel(name, front_end_arguments(name), shared, tuple(variants))
    full = replace(index, kernels=kernels)
    write_index(full)
    return full
