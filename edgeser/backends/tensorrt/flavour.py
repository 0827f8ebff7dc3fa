"""The differences between TensorRT and TensorRT-RTX, and between TensorRT 10 and 11.

TensorRT (``tensorrt``; part of JetPack) builds on the GPU that will run the engine, and takes
minutes. TensorRT-RTX (``tensorrt_rtx``; desktop cards, from a package index) builds on any machine
for the compute capabilities that it knows, in less than a second, and finishes on the device.
Apart from what is in this file their interfaces are the same.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from edgeser.errors import BackendError

Capability = tuple[int, int]
"""A compute capability: (8, 6) is sm_86."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """TensorRT or TensorRT-RTX, imported. Immutable; any thread may use it."""

    name: str
    """The module: ``tensorrt`` or ``tensorrt_rtx``."""
    title: str
    """For people."""
    api: Any
    """The imported module. It comes without types."""

    @property
    def version(self) -> str:
        """As in ``10.3.0``. Engines of one version do not run in another."""
        return str(self.api.__version__)

    @property
    def portable(self) -> bool:
        """Whether it builds engines for other GPUs than the local one."""
        return hasattr(self.api, "ComputeCapability")

    def network_flags(self) -> int:
        """For ``create_network``: types are those of the graph, never the builder's choice.

        From TensorRT 11 on networks are so anyway, and the flag may be gone.
        """
        flags = self.api.NetworkDefinitionCreationFlag
        strongly_typed = getattr(flags, "STRONGLY_TYPED", None)
        return 0 if strongly_typed is None else 1 << int(strongly_typed)

    def aim(self, config: Any, target: Capability | None) -> None:
        """Set up a builder's configuration for ``target``; None is the GPU that is here.

        Raises:
            BackendError: this flavour cannot build for it.
        """
        if target is None:
            if self.portable:
                config.num_compute_capabilities = 1
                config.set_compute_capability(self.api.ComputeCapability.CURRENT, 0)
            return
        major, minor = target
        if not self.portable:
            raise BackendError(
                f"{self.title} builds only for the GPU of the machine it runs on, "
                f"not for compute capability {major}.{minor}: build there, or use TensorRT-RTX"
            )
        self.check(target)
        config.num_compute_capabilities = 1
        config.set_compute_capability(getattr(self.api.ComputeCapability, f"SM{major}{minor}"), 0)

    def check(self, target: Capability) -> None:
        """Raises BackendError if it is known not to build for ``target``, here or anywhere."""
        known = self.targets()
        if self.portable and target not in known:
            names = ", ".join(f"{a}.{b}" for a, b in known)
            raise BackendError(
                f"{self.title} {self.version} does not build for compute capability "
                f"{target[0]}.{target[1]}; it does for {names}"
            )

    def targets(self) -> tuple[Capability, ...]:
        """The compute capabilities that it can build for without the GPU, in order."""
        if not self.portable:
            return ()
        names = (n[2:] for n in dir(self.api.ComputeCapability) if n.startswith("SM"))
        return tuple(sorted((int(n[:-1]), int(n[-1])) for n in names))

    def context(self, engine: Any) -> Any:
        """An execution context of ``engine`` whose work a CUDA graph may capture; None if refused.

        TensorRT-RTX would otherwise begin with general kernels and swap in better ones when their
        compilation ends: results would change in their last bits at some moment of its own, and a
        captured graph would keep the slow ones.
        """
        strategies = getattr(self.api, "DynamicShapesKernelSpecializationStrategy", None)
        if strategies is None:
            return engine.create_execution_context()
        config = engine.create_runtime_config()
        config.dynamic_shapes_kernel_specialization_strategy = strategies.EAGER
        return engine.create_execution_context(config)


FLAVOURS = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}
"""Module name to title, in the order in which they are tried."""

OLDEST = 10
"""The first TensorRT that takes precision from a graph alone."""


def find_flavour(name: str | None = None) -> Flavour:
    """Import TensorRT: ``name``, or the first of :data:`FLAVOURS` that can be.

    Raises:
        BackendError: it, or none of them, can be imported; the message has the reasons.
    """
    names = FLAVOURS if name is None else {name: FLAVOURS.get(name, name)}
    reasons = []
    for module, title in names.items():
        try:
            return Flavour(module, title, _import(module))
        except ImportError as error:  # noqa: PERF203
            reasons.append(f"{title}: {error}")
    raise BackendError(
        f"no TensorRT here ({'; '.join(reasons)}): JetPack includes it on Jetson; "
        "for desktop cards, pip install 'edgeser[tensorrt-rtx]'"
    )


def _import(module: str) -> ModuleType:
    if module not in FLAVOURS:
        raise ImportError(f"there is no such TensorRT; there are {', '.join(FLAVOURS)}")
    try:
        found = importlib.import_module(module)
    except (OSError, RuntimeError) as error:  # a library that it needs is missing or too old
        raise ImportError(str(error)) from error
    version = str(getattr(found, "__version__", "0"))
    if module == "tensorrt" and int(version.partition(".")[0]) < OLDEST:
        raise ImportError(f"{version} is too old, {OLDEST} is needed")
    return found
