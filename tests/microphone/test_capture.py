"""Device events, step by step: overflow, loss, return, correct times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeser.errors import MicrophoneError
from edgeser.microphone.backend import Overflow
from edgeser.microphone.capture import POLL, STALL, Capture
from edgeser.microphone.events import Chunk, Found, Gap, Item, Lost
from tests.microphone.fake import ARRAY, MIC, SERVER, FakeBackend, FakeClock, Samples, sound

GONE = MicrophoneError("it is gone")


class Run:
    """A capture, stepped by hand."""

    def __init__(
        self, backend: FakeBackend, wanted: str | int | None = None, **options: Any
    ) -> None:
        self.clock = FakeClock()
        options = {"rate": None, "channels": None, "buffer": 1e3, **options}
        self.capture = Capture(backend, wanted, now=self.clock, **options)
        self.delays: list[float] = []

    def step(self, *advances: float) -> None:
        """Let so many seconds pass, then step; for each."""
        for seconds in advances:
            self.clock.now += seconds
            self.delays.append(self.capture.step())

    def items(self) -> list[Item]:
        """Everything that came out; the run is over."""
        self.capture.ring.end(StopIteration())
        taken = []
        try:
            while (item := self.capture.ring.get()) is not None:
                taken.append(item)
        except StopIteration:
            pass
        assert continuous(taken, self.capture.rate)
        return taken


def continuous(items: list[Item], rate: int) -> bool:
    """Every chunk and gap begins where the one before it ended."""
    at = 0
    for item in items:
        if isinstance(item, Chunk | Gap):
            if round(item.time * rate) != at:
                return False
            at += item.samples if isinstance(item, Gap) else len(item.samples)
    return True


def kinds(items: list[Item]) -> list[str]:
    return [type(item).__name__ for item in items]


@pytest.mark.parametrize(
    ("device", "options", "opened"),
    [
        (MIC, {}, ("USB Microphone", 48_000, 2)),
        (ARRAY, {}, ("Room Array", 16_000, 6)),
        (SERVER, {}, ("pulse", 44_100, 1)),
        (SERVER, {"channels": 2, "rate": 16_000}, ("pulse", 16_000, 2)),
    ],
)
def test_it_opens_at_the_devices_own_rate_and_channels(
    device: Any, options: dict[str, Any], opened: tuple[str, int, int]
) -> None:
    backend = FakeBackend(device)
    Run(backend, device.name, **options)
    assert backend.opened == [opened]


def test_sound_comes_out_as_it_went_in() -> None:
    run = Run(FakeBackend(script=[sound(480, 1), sound(0), sound(960, 2)]))
    run.step(POLL, POLL, POLL, POLL)
    first, second = run.items()
    assert isinstance(first, Chunk)
    assert isinstance(second, Chunk)
    assert (first.time, second.time) == (0.0, 0.01)
    assert first.samples.dtype == np.int16
    assert (second.samples == 2).all()
    assert second.samples.shape == (960, 2)
    assert run.delays == [POLL] * 4


def test_a_fast_or_slow_crystal_makes_no_gaps() -> None:
    run = Run(FakeBackend(script=[sound(480)] * 500))
    run.step(*[0.0103] * 250, *[0.0097] * 250)
    assert kinds(run.items()) == ["Chunk"] * 500


def test_an_overflow_is_a_gap_measured_by_the_wall() -> None:
    run = Run(FakeBackend(script=[sound(480), Overflow(), Overflow(), sound(480), sound(480)]))
    run.step(0.01, 0.2, 0.2, 0.11, 0.01)
    items = run.items()
    assert kinds(items) == ["Chunk", "Gap", "Chunk", "Chunk"]
    assert items[1] == Gap(0.01, 24_000, 0.5, "overflow")


def test_an_overflow_that_cost_nothing_is_no_gap() -> None:
    run = Run(FakeBackend(script=[sound(480), Overflow(), sound(960)]))
    run.step(0.01, 0.01, 0.01)
    assert kinds(run.items()) == ["Chunk", "Chunk"]


def test_unplugged_and_back() -> None:
    backend = FakeBackend(script=[sound(480), GONE, sound(480)])
    run = Run(backend)
    run.step(0.01, 0.02)
    assert backend.sources[0].closed == 1
    backend.there = []
    run.step(0.1, 0.2)
    backend.there = [MIC]
    run.step(0.4, 0.28)
    items = run.items()
    assert kinds(items) == ["Chunk", "Lost", "Found", "Gap", "Chunk"]
    assert items[1] == Lost(0.01, "it is gone")
    assert items[2] == Found(0.01, "USB Microphone")
    # 1 s from the last chunk to the end of the new one of 10 ms.
    assert items[3] == Gap(0.01, 48_000 - 480, 0.99, "lost device")


def test_it_backs_off_to_five_seconds_and_is_eager_again_after_a_return() -> None:
    backend = FakeBackend(script=[GONE])
    run = Run(backend)
    backend.refusal = "busy"
    run.step(*[1.0] * 9)
    assert run.delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    backend.refusal = None
    backend.script += [sound(480), GONE]
    run.step(1.0, 1.0, 1.0)
    assert run.delays[-3:] == [POLL, POLL, 0.1]
    assert kinds(run.items()) == ["Lost", "Found", "Gap", "Chunk", "Lost"]


def test_a_device_that_falls_mute_is_lost_and_opened_again() -> None:
    backend = FakeBackend(script=[sound(480)])
    run = Run(backend)
    run.step(0.01, STALL - 0.1, 0.2)
    assert backend.sources[0].closed == 1
    run.step(0.1)
    assert len(backend.sources) == 2
    run.step(STALL - 0.1, 0.2)  # still mute: again, and nothing new to say
    assert backend.sources[1].closed == 1
    items = run.items()
    assert kinds(items) == ["Chunk", "Lost"]
    assert isinstance(items[1], Lost)
    assert "nothing for 3 s" in items[1].reason


def test_a_device_that_only_overflows_is_lost() -> None:
    backend = FakeBackend(script=[sound(480), *[Overflow()] * 4, sound(480)])
    run = Run(backend)
    run.step(0.01, *[1.0] * 4)
    assert backend.sources[0].closed == 1
    run.step(0.1, 0.1)
    assert kinds(run.items()) == ["Chunk", "Lost", "Found", "Gap", "Chunk"]


def test_a_loss_is_told_before_a_device_that_may_hang_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = FakeBackend(script=[sound(480), GONE])
    run = Run(backend)

    def hang() -> None:
        raise TimeoutError  # rather than never return

    monkeypatch.setattr(backend.sources[0], "close", hang)
    with pytest.raises(TimeoutError):
        run.step(0.01, 0.1)
    assert kinds(run.items()) == ["Chunk", "Lost"]


def test_a_hundred_losses_and_the_clock_is_still_true() -> None:
    backend = FakeBackend(script=[sound(480), *[GONE, sound(480)] * 100])
    run = Run(backend)
    run.step(0.01, *[0.01, 0.1, 0.39] * 100)
    items = run.items()
    gaps = [item for item in items if isinstance(item, Gap)]
    assert len(gaps) == 100
    last = items[-1]
    assert isinstance(last, Chunk)
    assert last.time + 0.01 == pytest.approx(run.clock.now - 100.0)


def test_a_chosen_device_is_followed_by_name_when_its_number_changes() -> None:
    backend = FakeBackend(ARRAY, MIC, script=[GONE])
    run = Run(backend, 3)
    backend.there = [replace(ARRAY, index=3), replace(MIC, index=8)]
    run.step(0.01, 0.1)
    assert run.capture.device.index == 8
    assert [name for name, _, _ in backend.opened] == ["USB Microphone"] * 2


def test_the_default_is_whatever_is_the_default_and_the_rate_stays() -> None:
    backend = FakeBackend(MIC, ARRAY, script=[GONE, sound(480, channels=6)])
    run = Run(backend)
    backend.there = [replace(ARRAY, default=True)]
    run.step(0.01, 0.1, 0.1)
    assert backend.opened[1] == ("Room Array", 48_000, 6)
    assert kinds(run.items()) == ["Lost", "Found", "Gap", "Chunk"]


def tone(rate: int, begin: float, seconds: float, hz: float = 997.0) -> Samples:
    at = begin + np.arange(round(seconds * rate)) / rate
    wave = np.rint(12_000 * np.sin(2 * np.pi * hz * at)).astype(np.int16)
    return np.stack([wave, -wave], axis=1)


def test_a_device_that_comes_back_at_another_rate_is_resampled_to_the_first() -> None:
    """A continuous tone, from a 48 kHz device and then one that supports only 44.1 kHz."""
    slow = replace(MIC, rate=44_100)
    blocks = [tone(44_100, at / 20, 1 / 20) for at in range(40)]
    backend = FakeBackend(MIC, script=[tone(48_000, 0.0, 0.05), GONE, *blocks])
    backend.own_rate_only = True
    run = Run(backend)
    backend.there = [slow]
    run.step(0.05, 0.0, 0.0, *[0.05] * 40)
    assert [rate for _, rate, _ in backend.opened] == [48_000, 44_100]
    items = run.items()
    assert kinds(items)[:4] == ["Chunk", "Lost", "Found", "Gap"]
    gap = items[3]
    assert isinstance(gap, Gap)
    assert gap.seconds < 0.01  # the filter's half width: this device was away for no time
    heard = np.concatenate([item.samples for item in items[4:] if isinstance(item, Chunk)])
    assert heard.dtype == np.int16
    assert len(heard) == pytest.approx(2 * 48_000, abs=480)
    expected = tone(48_000, 0.0, 2.0)[: len(heard)]
    middle = slice(480, -480)  # the tone begins at once, of which a filter knows nothing
    assert np.abs(heard[middle].astype(int) - expected[middle]).max() <= 4


def test_a_rate_that_was_asked_for_and_refused_is_resampled_to() -> None:
    backend = FakeBackend(script=[sound(4_800, 1_000)] * 3)
    backend.own_rate_only = True
    run = Run(backend, rate=16_000)
    run.step(0.1, 0.1, 0.1)
    assert backend.opened == [("USB Microphone", 48_000, 2)]
    heard = np.concatenate([item.samples for item in run.items() if isinstance(item, Chunk)])
    assert 4_700 < len(heard) < 4_800  # the filter waits for what comes after
    assert abs(int(heard[2_000, 0]) - 1_000) <= 1


def test_what_is_said_of_the_wanted_rate_is_said() -> None:
    backend = FakeBackend(MIC)
    backend.refusal = "it is busy"
    with pytest.raises(MicrophoneError, match="it is busy"):
        Run(backend, rate=16_000)


def test_a_device_that_cannot_be_opened_at_first_is_an_error() -> None:
    backend = FakeBackend()
    backend.refusal = "busy"
    with pytest.raises(MicrophoneError, match="busy"):
        Run(backend)
