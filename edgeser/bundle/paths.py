"""Where files lie: the bundled model, and what belongs to a bundle beside it."""

from __future__ import annotations

from pathlib import Path

DEFAULT_BUNDLE = Path(__file__).parents[1] / "models" / "default.edgeser"
"""The bundle that comes with the package."""


def kernels_folder(bundle: Path) -> Path:
    """Where the compiled kernels of the bundle at a path lie: ``NAME.kernels``, beside it.

    Else those of the bundled model, which serve every other of its sizes.
    """
    own = bundle.with_suffix(".kernels")
    return own if own.exists() else DEFAULT_BUNDLE.with_suffix(".kernels")


def signature_path(bundle: Path) -> Path:
    """Where the signature of the bundle at a path lies."""
    return bundle.with_name(bundle.name + ".sig")
