"""The microphone's ring buffer is bounded and drops the oldest audio."""

from __future__ import annotations

import threading

import pytest

from edgeser.microphone.events import Chunk, Gap, Item, Lost
from edgeser.microphone.ring import Ring
from tests.microphone.fake import sound


def filled(ring: Ring, chunks: int, size: int = 10, begin: int = 0) -> None:
    for number in range(begin, begin + chunks):
        ring.put(Chunk(number * size / 100, sound(size, number)))


def drain(ring: Ring) -> list[Item]:
    items = []
    while ring.waiting or not items:
        item = ring.get()
        assert item is not None
        items.append(item)
    return items


def test_in_order_and_complete_while_there_is_room() -> None:
    ring = Ring(50, 100)
    filled(ring, 5)
    assert ring.waiting == 50
    taken = drain(ring)
    assert [item.samples[0, 0] for item in taken if isinstance(item, Chunk)] == [0, 1, 2, 3, 4]
    assert (ring.waiting, ring.dropped) == (0, 0)


def test_the_oldest_makes_room_and_one_gap_says_how_much() -> None:
    ring = Ring(50, 100)
    filled(ring, 12)
    gap, *rest = drain(ring)
    assert gap == Gap(0.0, 70, 0.7, "slow reader")
    assert [item.samples[0, 0] for item in rest if isinstance(item, Chunk)] == [7, 8, 9, 10, 11]
    assert ring.dropped == 70
    assert rest[0].time == pytest.approx(gap.time + gap.seconds)


def test_gaps_among_what_makes_room_are_counted_too() -> None:
    ring = Ring(30, 100)
    filled(ring, 2)
    ring.put(Lost(0.2, "unplugged"))
    ring.put(Gap(0.2, 500, 5.0, "lost device"))
    filled(ring, 6, begin=52)
    gap, *rest = drain(ring)
    assert gap == Gap(0.0, 550, 5.5, "slow reader")
    assert len(rest) == 3
    assert ring.dropped == 50  # only what a slow reader has cost


def test_a_chunk_larger_than_the_ring_is_kept_for_it_is_the_newest() -> None:
    ring = Ring(30, 100)
    filled(ring, 1)
    filled(ring, 1, size=1000, begin=1)
    gap, chunk = drain(ring)
    assert isinstance(gap, Gap)
    assert isinstance(chunk, Chunk)
    assert len(chunk.samples) == 1000


def test_events_alone_cannot_fill_it_for_ever() -> None:
    ring = Ring(30, 100)
    for number in range(10_000):
        ring.put(Lost(number, "a loose plug"))
    ring.put(Chunk(10_000, sound(1)))
    kept = drain(ring)
    assert 1 < len(kept) < 5_000
    assert kept[-2] == Lost(9_999, "a loose plug")


def test_ending_lets_a_waiting_reader_go_at_once() -> None:
    ring = Ring(30, 100)
    taken: list[Item | None] = []
    reader = threading.Thread(target=lambda: taken.append(ring.get()))
    reader.start()
    ring.end()
    reader.join(timeout=10)
    assert taken == [None]
    ring.put(Lost(0, "too late"))
    assert ring.get() is None


def test_an_error_comes_after_what_is_still_there() -> None:
    ring = Ring(30, 100)
    filled(ring, 1)
    ring.end(OSError("it broke"))
    assert isinstance(ring.get(), Chunk)
    with pytest.raises(OSError, match="it broke"):
        ring.get()
