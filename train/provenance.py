"""Provenance of results: code, seed and libraries."""

import platform
import subprocess
from pathlib import Path
from typing import Any

import torch


def provenance(seed: int) -> dict[str, Any]:
    """Commit (with ``+`` if files have changed since), seed and versions."""
    return {
        "commit": commit(),
        "seed": seed,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def commit() -> str:
    """The commit of this checkout; "unknown" outside of one."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
