"""``python -m train.front``: trains the front end from a pack. Needs neither the SDK nor corpora.

Runs by the clock, or with ``--steps`` in rounds, which can be killed and resumed, also in several
processes under ``torchrun``.
"""

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import torch

from train.data.manifest import CorpusError
from train.data.shard import Shard
from train.front.bulk import Bulk
from train.front.ground import Ground
from train.front.plan import Plan
from train.front.rounds import Course, Rounds
from train.front.run import Front
from train.front.scenes import SceneConfig
from train.models.sizes import SIZES


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    parser = argparse.ArgumentParser(prog="python -m train.front", description=__doc__)
    parser.add_argument("--pack", type=Path, nargs="+", required=True, help="folders of the parts")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=Plan.minutes, help="total time of the run")
    parser.add_argument(
        "--steps", type=int, nargs=2, metavar=("WITHOUT", "WITH"),
        help="steps without and with emotions: in rounds, not by the clock",
    )  # fmt: skip
    parser.add_argument("--round", type=int, default=Course.round, help="steps of a round")
    parser.add_argument("--bulk", help="Parquet files of more speech: a folder or an address")
    parser.add_argument("--files", type=int, default=2, help="of --bulk, for a process and round")
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch", type=int, default=SceneConfig.batch)
    parser.add_argument("--ahead", type=int, default=SceneConfig.ahead)
    parser.add_argument("--made", type=int, default=Plan.made, help="number of synthetic sounds")
    parser.add_argument("--every", type=int, default=1, help="use every n-th recording")
    parser.add_argument("--report", type=float, default=Plan.report, help="seconds between logs")
    parser.add_argument("--keep", type=float, default=Plan.keep, help="seconds between saves")
    parser.add_argument("--threads", type=int, default=max(1, cores - 1))
    given = parser.parse_args(arguments)
    if given.steps is None and (given.bulk is not None or Shard.here().world > 1):
        parser.error("several processes and --bulk go in rounds: say how far, by --steps")
    if given.steps is not None and min(*given.steps, given.round, given.files) < 1:
        parser.error("--steps, --round and --files: give 1 or more")
    return given


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line and runs."""
    given = parsed(arguments)
    plan = Plan(
        minutes=given.minutes,
        sizes=tuple(given.sizes.split(",")),
        scenes=SceneConfig(batch=given.batch, ahead=given.ahead),
        made=given.made,
        every=given.every,
        report=given.report,
        keep=given.keep,
    )
    device = torch.device(given.device)
    if given.steps is None:
        Front(plan, given.pack, given.out, device, given.threads).run()
        return
    shard = Shard.here()
    if shard.world > 1 and device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    without, with_emotions = given.steps
    course = Course((without, with_emotions), given.round)
    with shard.joined(device):
        bulk = None
        if given.bulk is not None:
            bulk = Bulk(given.bulk, given.files, shard, plan.seed)
        ground = partial(Ground.of_pack, plan, given.pack, device, given.threads)
        Rounds(plan, course, ground, given.out, device, shard, bulk).run()


if __name__ == "__main__":
    try:
        main()
    except CorpusError as error:
        sys.exit(f"error: {error}")
