"""One part of a run in its own process, so that its failure does not affect the others.

``python -m bench.gpu.worker MODULE:FUNCTION JSON FILE KERNELS`` writes its results to a file,
repeatedly as they grow. JSON is an object: the function's ``arguments``, and for the harness
``preparing``, ``patience`` and ``given_up``.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bench.gpu.harness import Harness
from edgeser.bundle import read_bundle
from edgeser.bundle.paths import DEFAULT_BUNDLE


def main() -> None:
    """See above."""
    which, options, file, kernels = sys.argv[1:]
    module, function = which.split(":")
    chosen = json.loads(options)
    arguments = chosen.pop("arguments")
    to = Path(file)

    def leave(result: Mapping[str, Any]) -> None:
        write(to, result)

    bundle, device = read_bundle(DEFAULT_BUNDLE), torch.device("cuda", 0)
    harness = Harness(bundle, Path(kernels), device, leave=leave, **chosen)
    measure = getattr(importlib.import_module(f"bench.gpu.{module}"), function)
    leave(measure(harness, **arguments))


def write(file: Path, result: Mapping[str, Any]) -> None:
    """Writes atomically, because the process may be killed at any moment."""
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(result))
    beside.replace(file)


if __name__ == "__main__":
    main()
