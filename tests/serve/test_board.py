"""State shared by the processes of one server."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

pytest.importorskip("prometheus_client")
from edgeser.serve.board import BEAT, CLIENTS, STATE, VISITORS, Board, Place, State
from edgeser.serve.health import said
from edgeser.serve.metrics import Metrics


def test_seats_are_of_all_together_and_of_a_group() -> None:
    board = Board(2, 3)
    assert board.take_seat(0, "192.0.2.1", 2) == 0
    assert board.take_seat(1, "192.0.2.1", 2) == 0
    assert board.take_seat(0, "192.0.2.1", 2) is None
    assert board.take_seat(1, "192.0.2.2", 2) == 1
    assert board.take_seat(0, "192.0.2.3", None) is None  # all three are taken
    board.leave_seat(1, 0)
    assert board.take_seat(0, "192.0.2.1", 2) == 1


def test_what_was_counted_outlives_who_counted_it() -> None:
    board = Board(2, 3)
    first, other = (Metrics(Place(board, row)) for row in range(2))
    first.frames.inc(7)
    other.frames.inc(4)
    other.step_seconds.observe(0.002)  # a bound belongs to what is below it
    other.step_seconds.observe(3.0)
    board.row(1)[CLIENTS] = 2
    board.take_seat(1, "a", None)
    assert "edgeser_connections 2.0" in first.text().decode()
    board.vacate(1)
    again = Metrics(Place(board, 1))
    again.frames.inc()
    assert first.text() == again.text()
    lines = first.text().decode().splitlines()
    assert "edgeser_frames_total 12.0" in lines
    assert "edgeser_connections 0.0" in lines
    assert 'edgeser_step_seconds_bucket{le="0.001"} 0.0' in lines
    assert 'edgeser_step_seconds_bucket{le="0.002"} 1.0' in lines
    assert 'edgeser_step_seconds_bucket{le="1.0"} 1.0' in lines
    assert 'edgeser_step_seconds_bucket{le="+Inf"} 2.0' in lines
    assert "edgeser_step_seconds_sum 3.002" in lines
    assert all(board.take_seat(0, "b", None) is not None for _ in range(3))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_processes_see_each_other() -> None:
    board = Board.shared(2, 3)
    pid = os.fork()
    if not pid:
        theirs = Board(2, 3, board.handle)
        theirs.row(1)[STATE] = State.failing
        theirs.take_seat(1, "192.0.2.1", 1)
        os._exit(0)
    os.waitpid(pid, 0)
    assert board.fellow(1).state == State.failing
    assert board.take_seat(0, "192.0.2.1", 1) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_a_process_that_hangs_with_the_lock_holds_nobody_up() -> None:
    import fcntl

    board = Board.shared(2, 3)
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        fcntl.lockf(board.handle or 0, fcntl.LOCK_EX)
        os.write(tell, b"!")
        time.sleep(60)
        os._exit(0)
    try:
        os.read(told, 1)
        with pytest.raises(OSError, match="unavailable"):
            fcntl.lockf(board.handle or 0, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert board.take_seat(0, "192.0.2.1", 1) == 0
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert board.take_seat(1, "192.0.2.1", 1) is None


def test_a_newcomer_is_left_to_who_has_fewer_and_says_so() -> None:
    board = Board(2, 3)
    place = Place(board, 0)
    board.row(0)[VISITORS] = 1
    assert place.patience() == 0  # the other has not begun
    board.row(1)[STATE], board.row(1)[BEAT] = State.ok, time.monotonic()
    assert place.patience() > 0
    board.row(1)[VISITORS] = 1
    assert place.patience() == 0
    board.row(1)[BEAT] = time.monotonic() - 10
    assert said(board.fellow(1), 5.0) == "stalled"
    board.row(1)[VISITORS] = 0
    assert place.patience() == 0  # nobody knows whether it is there
