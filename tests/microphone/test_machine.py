"""The microphone's queue under random sequences of blocks, reads, overflows, losses and ends.

A state machine of Hypothesis. More of it, for as long as one likes:
``HYPOTHESIS_PROFILE=long pytest tests/microphone/test_machine.py``.
"""

from __future__ import annotations

import os
from unittest.mock import patch

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edgeser.errors import MicrophoneError
from edgeser.microphone import ring as ring_module
from edgeser.microphone.backend import Overflow
from edgeser.microphone.capture import POLL, STALL, Capture
from edgeser.microphone.events import Chunk, Found, Gap, Item, Lost
from tests.microphone.fake import MIC, FakeBackend, FakeClock, Samples

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
SETTINGS = settings(
    max_examples=5_000 if LONG else 60,
    stateful_step_count=100 if LONG else 50,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=list(HealthCheck),
)
MOST_ITEMS = 8
RATE = 1_000
PASSED = st.sampled_from([0.0, POLL, 0.1, STALL + 0.1])


class UnforeseenError(Exception):
    """An unexpected error."""


class Queue(RuleBasedStateMachine):
    """A capture that is stepped by hand, and a reader that comes when it likes.

    Every sample has a number of its own: what is taken must be what was heard, in order, with a
    gap wherever some are missing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.backend = FakeClock(), FakeBackend(MIC)
        self.few = patch.object(ring_module, "_MOST_ITEMS", MOST_ITEMS)
        self.few.start()
        self.put: list[Item] = []
        self.heard = self.taken = self.gone = self.largest = 0
        self.at = 0
        self.ended: str | None = None

    @initialize(buffer=st.sampled_from([0.001, 0.05, 1.0]))
    def open(self, buffer: float) -> None:
        options = {"rate": RATE, "channels": None, "buffer": buffer, "now": self.clock}
        self.capture = Capture(self.backend, None, **options)  # type: ignore[arg-type]
        self.ring, self.capacity = self.capture.ring, max(1, round(buffer * RATE))
        whole = self.ring.put

        def noted(item: Item) -> None:
            if self.ended is None:
                self.put.append(item)
            whole(item)

        self.ring.put = noted  # type: ignore[method-assign]

    def step(self, seconds: float, *script: Samples | Exception) -> None:
        self.clock.now += seconds
        self.backend.script.extend(script)
        before = len(self.put)
        delay = self.capture.step()
        self.backend.script.clear()  # nobody was listening
        assert 0 < delay <= 5.0
        for item in self.put[before:]:
            if isinstance(item, Chunk):
                self.heard += len(item.samples)
                self.largest = max(self.largest, len(item.samples))

    @rule(seconds=PASSED, length=st.integers(1, 80))
    def a_block_comes(self, seconds: float, length: int) -> None:
        numbers = np.arange(self.heard, self.heard + length) % 30_000
        self.step(seconds, np.repeat(numbers[:, None].astype(np.int16), 2, axis=1))

    @rule(seconds=PASSED)
    def nothing_comes(self, seconds: float) -> None:
        self.step(seconds)

    @rule(seconds=PASSED)
    def it_overflows(self, seconds: float) -> None:
        self.step(seconds, Overflow())

    @rule(seconds=PASSED)
    def it_is_unplugged(self, seconds: float) -> None:
        self.step(seconds, MicrophoneError("it is gone"))

    @rule(there=st.booleans(), busy=st.booleans())
    def others_have_it(self, there: bool, busy: bool) -> None:
        self.backend.there = [MIC] if there else []
        self.backend.refusal = "busy" if busy else None

    @precondition(lambda self: self.ring._items or self.ended)
    @rule()
    def read(self) -> None:
        if self.ended == "with an error" and not self.ring._items:
            with pytest.raises(UnforeseenError):
                self.ring.get()
            return
        item = self.ring.get()
        if self.ended == "at once":
            assert item is None
            return
        if isinstance(item, Chunk):
            assert round(item.time * RATE) == self.at
            first = int(item.samples[0, 0])
            numbers = np.arange(first, first + len(item.samples)) % 30_000
            assert (item.samples[:, 0] == numbers).all()
            self.at += len(item.samples)
            self.taken += len(item.samples)
        elif isinstance(item, Gap):
            assert round(item.time * RATE) == self.at
            assert item.samples > 0
            assert item.seconds == item.samples / RATE
            self.at += item.samples
        else:
            assert isinstance(item, Lost | Found)
            assert round(item.time * RATE) >= self.at

    @precondition(lambda self: self.ended is None)
    @rule(how=st.sampled_from(["at once", "with an error"]))
    def end(self, how: str) -> None:
        """Rare: what comes after is dull."""
        if len(self.put) < 15:
            return
        self.ended = how
        if how == "at once":
            self.gone = self.ring.waiting
        self.ring.end(None if how == "at once" else UnforeseenError())

    @rule(seconds=PASSED)
    def close(self, seconds: float) -> None:
        """And open again at the next step, as after a loss."""
        self.capture.close()
        assert all(source.closed == 1 for source in self.backend.sources)
        self.clock.now += seconds

    @invariant()
    def it_is_bounded_and_nothing_is_lost_silently(self) -> None:
        if not hasattr(self, "ring"):
            return
        assert self.ring.waiting <= max(self.capacity, self.largest)
        assert len(self.ring._items) <= MOST_ITEMS + 1  # a gap in the place of what made room
        if self.ended is None:
            assert self.taken + self.ring.waiting + self.ring.dropped == self.heard

    @invariant()
    def it_says_once_that_it_is_gone_and_once_that_it_is_back(self) -> None:
        news = [type(item) for item in self.put if isinstance(item, Lost | Found)]
        assert news == [Lost, Found] * (len(news) // 2) + [Lost] * (len(news) % 2)
        lost = False
        for item in self.put:
            lost = isinstance(item, Lost) or (lost and not isinstance(item, Found))
            assert not (lost and isinstance(item, Chunk))

    @invariant()
    def it_has_one_device_at_most(self) -> None:
        assert sum(not source.closed for source in self.backend.sources) <= 1
        assert all(source.closed <= 1 for source in self.backend.sources)

    def teardown(self) -> None:
        self.few.stop()


TestQueue = Queue.TestCase
TestQueue.settings = SETTINGS
