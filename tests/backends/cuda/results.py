"""Helpers for tests of an engine on a GPU."""

from __future__ import annotations

import logging

import pytest

import edgeser
from edgeser.backends.interface import Executor
from edgeser.model import Model
from tests.sounds import speech_like, whole


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def assert_as_on_the_cpu(engine: Executor, cpu: edgeser.Model) -> None:
    sound = speech_like(2.0)
    found, wanted = whole(Model(engine).stream(16_000), sound), whole(cpu.stream(16_000), sound)
    assert [frame.time for frame in found] == [frame.time for frame in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
