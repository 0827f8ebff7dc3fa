"""Admission of new clients: many at once are queued, and too many are refused with a message."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("starlette")
from edgeser.serve import guard
from edgeser.serve.access import Access
from edgeser.serve.config import Limits
from edgeser.serve.guard import Guard


@pytest.mark.parametrize(
    ("allowed", "at_once", "a_second"), [(8, 100, 100), (800, 500, 200), (5_000, 500, 400)]
)
def test_new_clients_begin_at_a_pace(
    monkeypatch: pytest.MonkeyPatch, allowed: int, at_once: int, a_second: int
) -> None:
    monkeypatch.setattr("edgeser.serve.budget.time.monotonic", lambda: 100.0)
    waited: list[float] = []
    begun: list[Any] = []
    told: list[dict[str, Any]] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.append((scope, receive, send))

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        told.append(message)

    monkeypatch.setattr(guard.asyncio, "sleep", sleep)
    one = Guard(app, Access("127.0.0.1", None), Limits(connections=allowed))
    scope = {
        "type": "websocket",
        "path": "/v1/stream",
        "headers": [(b"host", b"localhost")],
        "query_string": b"",
        "extensions": {"websocket.http.response": {}},
    }

    async def many(count: int) -> None:
        for _ in range(count):
            await one(dict(scope), receive, send)

    asyncio.run(many(at_once + 3 * a_second))
    assert waited[:at_once] == [0.0] * at_once
    assert waited[at_once] == pytest.approx(1 / a_second)
    assert len(begun) == pytest.approx(at_once + guard.LONGEST_WAIT * a_second, abs=2)
    assert max(waited) == pytest.approx(guard.LONGEST_WAIT, abs=0.05)
    refused = [message["status"] for message in told if "status" in message]
    assert refused == [503] * (at_once + 3 * a_second - len(begun))
