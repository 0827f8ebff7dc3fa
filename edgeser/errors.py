"""Everything that edgeser raises on purpose; each message says what was wrong and what to do.

A caller who wants one net catches :class:`EdgeserError`. Unless a docstring says otherwise, a
stream that raised one of these is exactly as it was before the call and can go on with the next
chunk::

    EdgeserError
    ├── AudioError (ValueError)        the samples, their rate, or their file
    ├── BundleError                    the model's file
    │   └── SignatureError             whose it is
    ├── StateError                     a saved stream, or a stream of another model
    ├── StreamBusyError                two threads in one stream
    ├── BackendError                   what executes the model
    │   └── DeviceError                its GPU
    ├── KernelError                    a compiled kernel's arguments
    ├── MicrophoneError                the microphone
    ├── ServeError                     the server's address
    ├── TableError                     a table of results
    └── MissingExtraError (ImportError)  an optional package
"""

from __future__ import annotations


class EdgeserError(Exception):
    """Base of every error that edgeser raises on purpose."""


class AudioError(EdgeserError, ValueError):
    """The audio cannot be used: its type, shape, scale, length, rate or file."""


class BundleError(EdgeserError):
    """A model bundle is missing, damaged, altered, too new, or contradicts itself."""


class SignatureError(BundleError):
    """A bundle is not signed, or by somebody else, or is not what was signed; or a key is none."""


class StateError(EdgeserError):
    """A saved state does not fit: another model, another format, or damaged bytes."""


class StreamBusyError(EdgeserError):
    """Two threads met in one stream. A stream belongs to one thread at a time."""


class BackendError(EdgeserError):
    """The backend that executes the model is unknown, not usable here, or failed while it ran."""


class DeviceError(BackendError):
    """The GPU that a backend needs is missing, cannot be used, or failed: a CPU may take over."""


class MicrophoneError(EdgeserError):
    """The microphone is missing, busy, or cannot be opened; no other backend would help."""


class ServeError(EdgeserError):
    """The server cannot listen at that address, or not with that certificate."""


class TableError(EdgeserError):
    """A table of results cannot be written, or what is there already is another one."""


class KernelError(EdgeserError):
    """A compiled kernel refused its arguments: a shape, a dtype, a size, or an alien state."""


class LicenceNotice(UserWarning):
    """A bundle's licence binds whoever uses it, for example to non-commercial use; not an error."""


class MissingExtraError(EdgeserError, ImportError):
    """An optional package is needed for this; the message names the extra that brings it."""
