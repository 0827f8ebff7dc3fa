"""The content of ``/healthz``: this process's state, and what the others last published."""

from __future__ import annotations

from typing import Any

from edgeser.serve.board import Fellow, State
from edgeser.serve.hub import Hub
from edgeser.serve.protocol import version_of


def health(hub: Hub) -> tuple[dict[str, Any], int]:
    """The answer and its status: 200 if at least one process works.

    ``degraded``: only some processes work. The supervisor restarts the others, so a restart of the
    whole server would not help.
    """
    hub.tell()
    board = hub.place.board
    fellows = [board.fellow(row) for row in range(board.rows)]
    states = [said(fellow, hub.config.limits.stalled_seconds) for fellow in fellows]
    own = hub.status
    status = own
    if own != "closing" and len(set(states)) > 1 and "ok" in states:
        status = "degraded"
    since = [f.since_frame for f in fellows if f.since_frame is not None]
    about: dict[str, Any] = {
        "status": status,
        "model": hub.model.name,
        "version": version_of(hub.model),
        "clients": sum(fellow.clients for fellow in fellows),
        "since_frame": min(since, default=None),
    }
    if not hub.place.alone:
        about["workers"] = [
            {"status": state, "clients": fellow.clients}
            for state, fellow in zip(states, fellows, strict=True)
        ]
    return about, 200 if status in {"ok", "degraded"} else 503


def said(fellow: Fellow, patience: float) -> str:
    """State of a process in one word; one that published nothing for too long is not trusted."""
    if fellow.state == State.ok and fellow.silent_seconds > patience:
        return State.stalled.name
    return fellow.state.name
