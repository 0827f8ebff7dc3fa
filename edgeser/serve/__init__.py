"""Emotions over a WebSocket, and a page for a kiosk. Needs the extra ``serve``.

``edgeser serve`` is the same from a terminal. See ``protocol.py`` for what goes over the wire.
"""

from edgeser.serve.config import Limits, ServeConfig

__all__ = ["Limits", "ServeConfig", "serve"]


def serve(config: ServeConfig | None = None) -> None:
    """Serve until interrupted, then let everybody finish for some seconds.

    Raises:
        MissingExtraError: the extra ``serve`` is not installed.
        BundleError, BackendError: the model cannot be loaded.
    """
    from edgeser.serve.server import run

    run(config or ServeConfig())
