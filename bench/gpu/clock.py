"""Time on a device: work recorded as a CUDA graph, as the host waits for it, and by its own clock.

On a CPU, where tests run all of this at toy sizes, a graph is the call itself.
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
    """Something that is done again and again on a device, on a stream of CUDA's."""

    call: Callable[[], object]
    device: torch.device
    stream: Any = None
    """None for the current one."""
    owner: object = None
    """Of what ``call`` reads and writes by address alone: lives as long as this does."""

    def wait(self) -> None:
        """Until all is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def latencies(self, times: int) -> list[float]:
        """Seconds from each call until the host knows that it is done."""
        self.wait()
        seconds = []
        for _ in range(times):
            began = time.perf_counter()
            self.call()
            self.wait()
            seconds.append(time.perf_counter() - began)
        return seconds

    def on_device(self, times: int) -> float:
        """Seconds a call by the device's clock, many of them one after the other."""
        if self.device.type != "cuda":
            return float(np.mean(self.latencies(times)))
        stream = self.stream or torch.cuda.current_stream(self.device)
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.wait()  # others may be on other streams
        self.call()
        began.record(stream)
        for _ in range(times):
            self.call()
        ended.record(stream)
        ended.synchronize()
        return began.elapsed_time(ended) / 1000 / times

    def timed(self, seconds: float = 0.02) -> Timed:
        """For rounds: the median of as many latencies as take about so many seconds."""

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
    """``call`` as one CUDA graph, after some calls that make ready what can only be done outside.

    Whatever it reads and writes must stay where it is. The graph knows addresses only, so what is
    returned keeps ``call``, and with it all tensors that ``call`` names.
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
