"""Promise 6: memory and time per chunk are constant for a day of audio."""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path
from statistics import median

import pytest

import edgeser
from edgeser.streaming.stream import session_of
from tests.forged import HEAD, SEAL, counter, resealed, with_counter
from tests.sounds import noise

HOP = 2_048


def resident_bytes() -> int:
    """Resident memory of this process."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("memory can be measured on Linux only")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(("rate", "minutes"), [(16_000, 120), (48_000, 10)])
def test_hours_of_streaming_leave_nothing_behind(
    toy_model: edgeser.Model, rate: int, minutes: int
) -> None:
    stream = toy_model.stream(rate)
    chunk = noise(rate * 10)
    for _ in range(6):
        stream.process(chunk)
    gc.collect()
    blocks, resident, size = sys.getallocatedblocks(), resident_bytes(), len(stream.state())
    for _ in range(minutes * 6):
        stream.process(chunk)
    gc.collect()
    assert stream.position == minutes * 60 + 60
    assert sys.getallocatedblocks() - blocks < 100
    assert resident_bytes() - resident < 2 << 20
    assert len(stream.state()) == size


def test_many_utterances_leave_nothing_behind(model: edgeser.Model) -> None:
    stream = model.stream(16_000)
    chunk = noise(HOP * 10)

    def utterance() -> None:
        stream.process(chunk)
        stream.flush()
        model.resume(stream.state())

    for _ in range(10):
        utterance()
    gc.collect()
    blocks, resident = sys.getallocatedblocks(), resident_bytes()
    for _ in range(60):
        utterance()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 100
    assert resident_bytes() - resident < 2 << 20


def test_a_pool_of_changing_size_leaves_nothing_behind(model: edgeser.Model) -> None:
    pool = model.pool()

    def crowd(size: int) -> None:
        pool.process({pool.stream(16_000): noise(HOP) for _ in range(size)})

    for size in (16, 1, 9, 16):
        crowd(size)
    gc.collect()
    blocks, resident = sys.getallocatedblocks(), resident_bytes()
    for size in range(1, 17):
        crowd(size)
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 200
    assert resident_bytes() - resident < 8 << 20


def test_a_stream_of_a_thousand_years_is_as_good_as_new(toy_model: edgeser.Model) -> None:
    hops = (1000 * 365 * 24 * 3600 * 16_000 // HOP) // 256 * 256  # a whole turn of every ring
    old, young = toy_model.stream(16_000), toy_model.stream(16_000)
    for stream in (old, young):
        stream.process(noise(HOP * 100))
    state = old.state()
    steps = {"received": HOP, "heard": HOP, "frames": 1, "spoken": 1, "tokens": 1}
    for name, step in steps.items():
        state = with_counter(state, name, counter(state, name) + hops * step)
    position = len(state) - SEAL - session_of(old).native.rings.size
    state = resealed(state[:position] + state[HEAD + 32 : HEAD + 40] + state[position + 8 :])
    old = toy_model.resume(state)
    future = noise(HOP * 50 + 7, seed=1)
    for one, other in zip(old.process(future), young.process(future), strict=True):
        assert one.probabilities == other.probabilities
        assert one.speech == other.speech
        assert round((one.time - other.time) / 0.128) == hops


def test_latency_does_not_depend_on_age(toy_model: edgeser.Model) -> None:
    stream = toy_model.stream(16_000)
    hop = noise(HOP)

    def typical() -> float:
        taken = []
        for _ in range(300):
            start = time.perf_counter()
            stream.process(hop)
            taken.append(time.perf_counter() - start)
        return median(taken)

    typical()
    young = typical()
    for _ in range(40):
        stream.process(noise(HOP * 100))
    assert typical() < 5 * young  # generous: others share this machine
