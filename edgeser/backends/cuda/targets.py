"""The targets of ``edgeser compile``: names and compute capabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgeser.errors import BackendError

PTX = "ptx_80"
"""Code that the driver of any GPU since Ampere compiles, and so of GPUs that are still to come."""

TARGETS: Mapping[str, tuple[str, ...]] = {
    "jetson-orin": ("sm_87",),
    "jetson-thor": ("sm_110",),
    "ampere": ("sm_80", "sm_86"),
    "ada": ("sm_89",),
    "hopper": ("sm_90",),
    "blackwell": ("sm_100", "sm_120"),
    "ptx": (PTX,),
}
"""Names to targets: ``sm_87`` is machine code for compute capability 8.7."""

ALL = "all"


def resolve(names: Iterable[str]) -> tuple[str, ...]:
    """The targets of device names, without duplicates; ``all`` and targets are also accepted.

    Raises:
        BackendError: a name is unknown; the message lists the known ones.
    """
    every = tuple(target for targets in TARGETS.values() for target in targets)
    known = {**TARGETS, ALL: every, **{target: (target,) for target in every}}
    found: dict[str, None] = {}
    for name in names:
        if name not in known:
            raise BackendError(
                f"unknown target {name!r}: use {', '.join((*TARGETS, ALL))}, "
                f"or one of {', '.join(sorted(every, key=order))}"
            )
        found.update(dict.fromkeys(known[name]))
    return tuple(sorted(found, key=order))


def capability(target: str) -> int:
    """Ten times the compute capability of a target: 87."""
    return int(target.partition("_")[2])


def order(target: str) -> tuple[bool, int]:
    """What targets are sorted by: machine code first, older devices first."""
    return target.startswith("ptx"), capability(target)
