"""One part of a run, in a process of its own: nothing that happens to it can lose the others.

``python -m bench.gpu.part MODULE:FUNCTION JSON FILE KERNELS`` writes what was measured to a file.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import torch

from bench.gpu.rig import Rig
from edgeser.bundle import read_bundle
from edgeser.loading import DEFAULT_BUNDLE


def main() -> None:
    """See above."""
    which, arguments, file, kernels = sys.argv[1:]
    module, function = which.split(":")
    rig = Rig(read_bundle(DEFAULT_BUNDLE), Path(kernels), torch.device("cuda", 0))
    measure = getattr(importlib.import_module(f"bench.gpu.{module}"), function)
    result = measure(rig, **json.loads(arguments))
    Path(file).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
