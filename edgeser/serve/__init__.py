"""A WebSocket server for emotions, with a page for a kiosk. Needs the extra ``serve``.

``edgeser serve`` starts the same server from a terminal. ``protocol.py`` describes the protocol.
"""

from edgeser.serve.config import Limits, ServeConfig
from edgeser.serve.kiosk import Kiosk

__all__ = ["Kiosk", "Limits", "ServeConfig", "serve"]


def serve(config: ServeConfig | None = None) -> None:
    """Serves until interrupted, then gives clients some seconds to finish.

    Raises:
        MissingExtraError: the extra ``serve`` is not installed.
        ServeError: the address is taken, or a file of the configuration cannot be used.
        BundleError, BackendError: the model cannot be loaded.
    """
    from edgeser.serve.server import run

    run(config or ServeConfig())
