"""``python -m train.front``: train it from a pack. Needs neither the SDK nor the corpora."""

import argparse
import os
from pathlib import Path

import torch

from train.front.run import Front, Plan
from train.front.scenes import SceneConfig
from train.models.sizes import SIZES


def main() -> None:
    """Parse the command line and run."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    parser = argparse.ArgumentParser(prog="python -m train.front", description=__doc__)
    parser.add_argument("--pack", type=Path, nargs="+", required=True, help="its parts")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=Plan.minutes, help="all in all")
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=SceneConfig.batch)
    parser.add_argument("--ahead", type=int, default=SceneConfig.ahead)
    parser.add_argument("--made", type=int, default=Plan.made, help="sounds of no speech")
    parser.add_argument("--every", type=int, default=1, help="only so many-th recordings")
    parser.add_argument("--report", type=float, default=Plan.report, help="seconds")
    parser.add_argument("--keep", type=float, default=Plan.keep, help="seconds")
    parser.add_argument("--threads", type=int, default=max(1, cores - 1))
    given = parser.parse_args()
    plan = Plan(
        minutes=given.minutes,
        sizes=tuple(given.sizes.split(",")),
        scenes=SceneConfig(batch=given.batch, ahead=given.ahead),
        made=given.made,
        every=given.every,
        report=given.report,
        keep=given.keep,
    )
    Front(plan, given.pack, given.out, torch.device(given.device), given.threads).run()


if __name__ == "__main__":
    main()
