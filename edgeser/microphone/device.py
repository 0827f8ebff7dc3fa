"""Lists microphones and selects one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeser.errors import MicrophoneError


@dataclass(frozen=True, slots=True)
class Device:
    """An input device."""

    name: str
    """The system's name of it."""
    index: int
    """Its number; it may change when devices are connected or removed."""
    channels: int
    """Maximum number of channels; sound servers offer 32 and more."""
    rate: int
    """Its default sample rate in Hz."""
    default: bool = False
    """Whether it is the system's default input."""


def choose(devices: Sequence[Device], wanted: str | int | None) -> Device:
    """The device that ``wanted`` names.

    Args:
        devices: all input devices.
        wanted: None for the system's default; an index; or a name, of which a part is enough if
            only one device has it. Case does not matter, and a whole name beats a part.

    Raises:
        MicrophoneError: no device fits, or several do; the message lists them.
    """
    if not devices:
        raise MicrophoneError("no microphone found: connect one, or allow access to it")
    if wanted is None:
        found = [device for device in devices if device.default]
        if not found:
            raise MicrophoneError(
                f"the system has no default microphone: choose one of {_listed(devices)}"
            )
        return found[0]
    if isinstance(wanted, int):
        found = [device for device in devices if device.index == wanted]
        if not found:
            raise MicrophoneError(
                f"there is no microphone {wanted}: choose one of {_listed(devices)}"
            )
        return found[0]
    name = wanted.casefold()
    whole = [device for device in devices if device.name.casefold() == name]
    found = whole or [device for device in devices if name in device.name.casefold()]
    if not found:
        raise MicrophoneError(
            f"no microphone is called {wanted!r}: choose one of {_listed(devices)}"
        )
    # Systems with several sound interfaces list one device under each, by the same name. The
    # first is that of the preferred interface.
    if len({device.name for device in found}) > 1:
        raise MicrophoneError(
            f"{wanted!r} fits several microphones: choose one of {_listed(found)}, "
            "by more of its name or by its number"
        )
    return found[0]


def _listed(devices: Sequence[Device]) -> str:
    return ", ".join(f"{device.index} {device.name!r}" for device in devices)
