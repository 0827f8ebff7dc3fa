"""The error classes of edgeser; each message says what was wrong and what to do.

:class:`EdgeserError` is the base class of all of them. Unless a docstring says otherwise, a stream
that raised one of these is exactly as it was before the call and accepts the next chunk::

    EdgeserError
    ├── AudioError (ValueError)        the samples, their rate, or their file
    ├── BundleError                    the model file
    │   └── SignatureError             its signature
    ├── StateError                     a saved stream, or a stream of another model
    ├── StreamBusyError                two threads in one stream
    ├── BackendError                   the backend that executes the model
    │   └── DeviceError                the GPU of the backend
    ├── KernelError                    a compiled kernel's arguments
    ├── MicrophoneError                the microphone
    ├── ServeError                     the server's address
    ├── TableError                     a table of results
    └── MissingExtraError (ImportError)  an optional package
"""

from __future__ import annotations


class EdgeserError(Exception):
    """Base class of all errors of edgeser."""


class AudioError(EdgeserError, ValueError):
    """The audio cannot be used: its type, shape, scale, length, rate or file."""


class BundleError(EdgeserError):
    """A model bundle is missing, damaged, altered, too new, or contradicts itself."""


class SignatureError(BundleError):
    """A signature is missing, wrong or by another key; or a key cannot be used."""


class StateError(EdgeserError):
    """A saved state does not fit: another model, another format, or damaged bytes."""


class StreamBusyError(EdgeserError):
    """Two threads used one stream at once. A stream belongs to one thread at a time."""


class BackendError(EdgeserError):
    """The backend that executes the model is unknown, not usable here, or failed while it ran."""


class DeviceError(BackendError):
    """The GPU that a backend needs is missing, unusable, or failed; the CPU may still work."""


class MicrophoneError(EdgeserError):
    """The microphone is missing, busy, or cannot be opened; no other backend would help."""


class ServeError(EdgeserError):
    """The server cannot listen at that address, or not with that certificate."""


class TableError(EdgeserError):
    """A table of results cannot be written, or the existing file does not match."""


class KernelError(EdgeserError):
    """A compiled kernel refused its arguments: a shape, a dtype, a size, or a wrong state."""


class LicenceNotice(UserWarning):
    """A warning: a bundle's licence restricts its use, for example to non-commercial use."""


class MissingExtraError(EdgeserError, ImportError):
    """An optional package is missing; the message names the extra that installs it."""
