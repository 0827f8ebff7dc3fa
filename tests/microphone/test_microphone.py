"""The microphone: open, iterate, close, on a scripted sound library."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

import edgeser
from edgeser.microphone import Chunk, Found, Gap, Lost, Microphone
from edgeser.microphone.device import Device
from tests.microphone.fake import MIC, FakeBackend, FakeSource, sound


def until(true: Callable[[], object]) -> None:
    """Waits for a condition; the duration is not tested."""
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def listeners() -> int:
    return sum(thread.name == "edgeser microphone" for thread in threading.enumerate())


def test_chunks_come_in_order_and_the_device_is_given_back() -> None:
    backend = FakeBackend(script=[sound(480, value) for value in range(5)])
    with Microphone(backend=backend) as microphone:
        assert microphone.sample_rate == 48_000
        assert microphone.device == MIC
        items = list(itertools.islice(microphone, 5))
    assert [int(item.samples[0, 0]) for item in items if isinstance(item, Chunk)] == [0, 1, 2, 3, 4]
    assert backend.sources[0].closed
    assert listeners() == 0


def test_lag_and_what_a_slow_reader_has_cost() -> None:
    backend = FakeBackend(script=[sound(4_800, value) for value in range(20)])
    with Microphone(buffer=0.5, backend=backend) as microphone:
        until(lambda: not backend.script and microphone.dropped > 1.4)
        assert microphone.lag == pytest.approx(0.5)
        assert microphone.dropped == pytest.approx(1.5)
        gap, first = itertools.islice(microphone, 2)
    assert gap == Gap(0.0, 72_000, 1.5, "slow reader")
    assert isinstance(first, Chunk)
    assert (first.time, first.samples[0, 0]) == (1.5, 15)


def test_loss_and_return_reach_the_reader() -> None:
    backend = FakeBackend(script=[sound(480), edgeser.MicrophoneError("gone"), sound(480)])
    with Microphone("usb", backend=backend) as microphone:
        items = list(itertools.islice(microphone, 5))
    assert [type(item) for item in items] == [Chunk, Lost, Found, Gap, Chunk]


def test_an_error_in_the_body_gives_the_device_back() -> None:
    backend = FakeBackend()
    with pytest.raises(KeyboardInterrupt), Microphone(backend=backend):
        raise KeyboardInterrupt
    assert backend.sources[0].closed
    assert listeners() == 0


def test_a_forgotten_microphone_gives_the_device_back() -> None:
    backend = FakeBackend()
    microphone = Microphone(backend=backend)
    microphone.open()
    del microphone
    gc.collect()
    assert backend.sources[0].closed
    assert listeners() == 0


def test_closing_from_another_thread_ends_the_iteration() -> None:
    with Microphone(backend=FakeBackend()) as microphone:
        threading.Timer(0.01, microphone.close).start()
        assert list(microphone) == []
    microphone.close()


class SlowBackend(FakeBackend):
    """Opening blocks until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.opening, self.go = threading.Event(), threading.Event()

    def open(self, device: Device, rate: int, channels: int) -> FakeSource:
        self.opening.set()
        assert self.go.wait(30)
        return super().open(device, rate, channels)


def test_closing_while_another_thread_opens_leaves_no_device_open() -> None:
    backend = SlowBackend()
    microphone = Microphone(backend=backend)
    opener = threading.Thread(target=microphone.open)
    opener.start()
    assert backend.opening.wait(30)
    microphone.close()
    backend.go.set()
    opener.join(30)
    assert backend.sources[0].closed
    assert list(microphone) == []
    assert listeners() == 0


def test_it_can_be_opened_again() -> None:
    backend = FakeBackend(script=[sound(480)])
    microphone = Microphone(backend=backend)
    for _ in range(2):
        backend.script.append(sound(480))
        with microphone:
            assert isinstance(next(iter(microphone)), Chunk)
    assert len(backend.sources) == 2


def test_waiting_for_a_device_that_is_busy_at_first() -> None:
    backend = FakeBackend(script=[sound(480)])
    backend.refusal = "busy"
    microphone = Microphone(wait=True, backend=backend)
    opener = threading.Thread(target=microphone.open)
    opener.start()
    until(lambda: backend.attempts >= 2)
    backend.refusal = None
    opener.join(timeout=30)
    with microphone:
        assert isinstance(next(iter(microphone)), Chunk)


def test_what_nobody_foresaw_is_raised_to_the_reader() -> None:
    backend = FakeBackend(script=[sound(480), ZeroDivisionError("a defect")])
    with Microphone(backend=backend) as microphone:
        items = iter(microphone)
        next(items)
        with pytest.raises(ZeroDivisionError, match="a defect"):
            next(items)
    assert backend.sources[0].closed


def test_it_must_be_open() -> None:
    microphone = Microphone(backend=FakeBackend())
    for use in (lambda: microphone.lag, lambda: microphone.device, lambda: list(microphone)):
        with pytest.raises(edgeser.MicrophoneError, match="not open"):
            use()


def test_without_pyaudio_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['pyaudio'] = None\n"
        "import edgeser\n"
        "for use in (edgeser.microphones, edgeser.Microphone(wait=True).open):\n"
        "    try: use()\n"
        "    except edgeser.MicrophoneError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "pip install 'edgeser[mic]'" in line
        assert "portaudio19-dev" in line


def test_chunks_are_what_streams_take(toy_model: edgeser.Model) -> None:
    backend = FakeBackend(script=[sound(48_000, 100)])
    with Microphone(backend=backend) as microphone:
        chunk = next(iter(microphone))
        assert isinstance(chunk, Chunk)
        assert chunk.samples.dtype == np.int16
        assert toy_model.stream(microphone.sample_rate).process(chunk.samples)
