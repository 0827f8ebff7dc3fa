"""Selecting a microphone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgeser.errors import MicrophoneError
from edgeser.microphone.device import choose
from tests.microphone.fake import ARRAY, MIC, SERVER

ALL = (ARRAY, MIC, SERVER)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [(None, MIC), (5, ARRAY), ("array", ARRAY), ("USB MICROPHONE", MIC), ("pul", SERVER)],
)
def test_by_default_by_index_and_by_name(wanted: str | int | None, found: object) -> None:
    assert choose(ALL, wanted) == found


def test_a_whole_name_beats_a_part() -> None:
    longer = replace(MIC, name="pulse monitor", index=9)
    assert choose((longer, SERVER), "pulse") == SERVER


def test_one_name_under_several_sound_interfaces_is_one_device() -> None:
    again = replace(MIC, index=11)
    assert choose((MIC, again), "usb") == MIC


@pytest.mark.parametrize(
    ("devices", "wanted", "message"),
    [
        ((), None, "no microphone found"),
        ((ARRAY,), None, "no default microphone.*5 'Room Array'"),
        (ALL, 4, "no microphone 4.*3 'USB Microphone'"),
        (ALL, "headset", "'headset'.*5 'Room Array'"),
        (ALL, "r", "fits several.*5 'Room Array', 3 'USB Microphone'"),
    ],
)
def test_what_cannot_be_chosen_lists_what_can(
    devices: tuple[()], wanted: str | int | None, message: str
) -> None:
    with pytest.raises(MicrophoneError, match=message):
        choose(devices, wanted)
