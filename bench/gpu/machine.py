"""Checks the machine's requirements, and describes it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

NEEDED = ("torch", "triton", "safetensors", "pybind11", "pytest")


class RefusedError(Exception):
    """The run cannot start; the message is one line with the reason and advice."""


def look() -> dict[str, Any]:
    """Describes this machine. Raises RefusedError if it is not sufficient."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    missing += [] if shutil.which("cmake", path=search_path()) else ["cmake"]
    if "torch" not in missing:
        import torch

        if not torch.cuda.is_available():
            raise RefusedError(
                "no NVIDIA GPU here that PyTorch can use: run this on a machine with one, its "
                "driver and a torch for CUDA; nothing was measured"
            )
    if missing:
        raise RefusedError(
            f"{sys.executable} lacks {', '.join(missing)}: install that, or set PYTHON to one that "
            "has it; nothing was measured"
        )
    import triton

    about = torch.cuda.get_device_properties(0)
    if about.major < 8:
        raise RefusedError(
            f"the {about.name} has compute capability {about.major}.{about.minor}, and the kernels "
            "need 8.0: run this on a newer one; nothing was measured"
        )
    return {
        "gpu": about.name,
        "capability": f"{about.major}.{about.minor}",
        "multiprocessors": about.multi_processor_count,
        "memory_gb": about.total_memory / 1e9,
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "torch": torch.__version__,
        "triton": triton.__version__,
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
    }


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def search_path() -> str:
    """Search path for programs: first beside Python, as in a virtual environment."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
