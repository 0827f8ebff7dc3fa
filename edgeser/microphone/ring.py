"""A bounded queue of recorded audio, which drops the oldest."""

from __future__ import annotations

import threading
from collections import deque

from edgeser.microphone.events import Chunk, Gap, Item

_MOST_ITEMS = 4096  # bounds events as well: a device may come and go all night
_PATIENCE = 0.5  # Windows cannot interrupt a wait without an end


class Ring:
    """A queue of items between two threads that never holds more than ``capacity`` of sound.

    When it is full, the oldest sound makes room and one :class:`Gap` in its place says how much;
    events among it go as well. ``put`` never blocks.

    Args:
        capacity: samples per channel.
        rate: Hz.
    """

    def __init__(self, capacity: int, rate: int) -> None:
        self._capacity = capacity
        self._rate = rate
        self._items: deque[Item] = deque()
        self._waiting = 0
        self._dropped = 0
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """Samples per channel that were put and not yet taken."""
        return self._waiting

    @property
    def dropped(self) -> int:
        """Samples per channel that had to make room, ever."""
        return self._dropped

    def put(self, item: Item) -> None:
        """Appends; drops the oldest if there is no room."""
        with self._changed:
            if self._ended:
                return
            self._items.append(item)
            self._waiting += _sound(item)
            self._make_room()
            self._changed.notify()

    def get(self) -> Item | None:
        """The oldest item, as soon as there is one; None once the ring has ended.

        Raises whatever the ring was ended with, after the last item.
        """
        with self._changed:
            while not self._items and not self._ended:
                self._changed.wait(_PATIENCE)
            if self._items:
                item = self._items.popleft()
                self._waiting -= _sound(item)
                return item
            if self._error is not None:
                raise self._error
            return None

    def end(self, error: BaseException | None = None) -> None:
        """Releases readers: at once, or with an error after the remaining blocks."""
        with self._changed:
            self._ended = True
            if error is None:
                self._items.clear()
                self._waiting = 0
            else:
                self._error = error
            self._changed.notify_all()

    def _make_room(self) -> None:
        begin, missing = 0.0, 0
        while len(self._items) > 1 and (
            self._waiting > self._capacity or len(self._items) > _MOST_ITEMS
        ):
            oldest = self._items.popleft()
            if not isinstance(oldest, Chunk | Gap):
                continue
            if not missing:
                begin = oldest.time
            missing += oldest.samples if isinstance(oldest, Gap) else len(oldest.samples)
            self._waiting -= _sound(oldest)
            self._dropped += _sound(oldest)
        if missing:
            self._items.appendleft(Gap(begin, missing, missing / self._rate, "slow reader"))


def _sound(item: Item) -> int:
    return len(item.samples) if isinstance(item, Chunk) else 0
