"""Paths of the bundled model, and of the files beside a bundle."""

from __future__ import annotations

from pathlib import Path

from edgeser.bundle.bundled import BUNDLED

DEFAULT_BUNDLE = Path(BUNDLED)
"""The bundle that comes with the package."""


def kernels_folder(bundle: Path) -> Path:
    """The folder of compiled kernels of a bundle: ``NAME.kernels`` beside it.

    If it does not exist, that of the bundled model, which works for all models of the same sizes.
    """
    own = bundle.with_suffix(".kernels")
    return own if own.exists() else DEFAULT_BUNDLE.with_suffix(".kernels")


def signature_path(bundle: Path) -> Path:
    """The path of the signature of a bundle."""
    return bundle.with_name(bundle.name + ".sig")
