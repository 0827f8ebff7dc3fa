"""Timing on a device: work recorded as a CUDA graph, by the host's and by the device's clock.

On a CPU, which tests use with toy sizes, a graph is the plain call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.rounds import Timed

_WARM_UPS = 3


@dataclass(frozen=True)
class Work:
    """Repeatable work on a device, on one CUDA stream."""

    call: Callable[[], object]
    device: torch.device
    stream: Any = None
    """None for the current one."""
    owner: object = None
    """Keeps alive what ``call`` accesses by address only."""

    def wait(self) -> None:
        """Waits until all is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def latencies(self, times: int) -> list[float]:
        """Seconds from each call until the host sees that it is done."""
        self.wait()
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            self.call()
            self.wait()
            seconds.append(time.perf_counter() - began)
        return seconds

    def on_device(self, times: int) -> float:
        """Seconds per call by the device's clock, many in a row."""
        if self.device.type != "cuda":
            return float(np.mean(self.latencies(times)))
        stream = self.stream or torch.cuda.current_stream(self.device)
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.wait()  # there may be work on other streams
        self.call()
        began.record(stream)
        for _ in range(times):
            self.call()
        ended.record(stream)
        ended.synchronize()
        return began.elapsed_time(ended) / 1000 / times

    def timed(self, seconds: float = 0.02) -> Timed:
        """For rounds: the median of several latencies, measured for about this time in seconds."""

        def once() -> float:
            return float(np.median(self.latencies(_times(self, seconds))))

        return once

    def timed_on_device(self, seconds: float = 0.02) -> Timed:
        """For rounds: by the device's clock."""
        return lambda: self.on_device(_times(self, seconds))


def _times(work: Work, seconds: float) -> int:
    [once] = work.latencies(1)
    return int(np.clip(seconds / once, 1, 200))


def recorded(call: Callable[[], object], device: torch.device) -> Work:
    """``call`` as one CUDA graph, after some calls outside of it for its preparation.

    Memory that it reads and writes must not move. The graph contains only addresses, so the result
    keeps ``call`` alive, and with it all tensors that ``call`` refers to.
    """
    if device.type != "cuda":
        return Work(call, device)
    beside = torch.cuda.Stream(device)
    beside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(beside):
        for _ in range(_WARM_UPS):
            call()
    torch.cuda.current_stream(device).wait_stream(beside)
    torch.cuda.synchronize(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return Work(graph.replay, device, owner=call)
