"""The ``python -m train`` commands for the front end's training and its data."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from train.data.manifest import read_manifest
from train.options import TEACHER, Data, Teacher, Threads, Work


def pack(
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    teacher: Teacher = TEACHER,
    out: Annotated[Path, typer.Option(help="Folder for the parts.")] = Path("runs/pack"),
) -> None:
    """Packs the front end's training data compactly, to copy them to a machine with a GPU."""
    from train.front.pack import pack as write
    from train.product import Product

    for part in write(Product(data, work, teacher), out):
        size = sum(f.stat().st_size for f in part.iterdir()) / 2**20
        typer.echo(f"part: {part} ({size:.1f} MiB)")


def bulk(
    corpus: Annotated[list[str], typer.Option(help="A corpus of the manifest. Repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    data: Data = Path("../shared/data"),
    mib: Annotated[int, typer.Option(min=1, help="Approximate audio per file.")] = 256,
) -> None:
    """Writes speech without emotions as Parquet files, for --bulk of ``python -m train.front``."""
    from train.front.bulk_files import write_bulk

    manifest = read_manifest(data / "manifest.csv")
    for path in write_bulk([r for r in manifest if r.corpus in corpus], out, mib << 20):
        typer.echo(f"file: {path} ({path.stat().st_size / 2**20:.1f} MiB)")


def front(
    pack: Annotated[list[Path], typer.Option(help="A part of a pack. Repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for weights and log.")] = Path("runs/front"),
    device: Annotated[str, typer.Option(help="As PyTorch names it.")] = "cuda",
    minutes: Annotated[float, typer.Option(help="Total time; the training ends by the clock.")] = 7,
    sizes: Annotated[
        str, typer.Option(help="Of train/models/sizes.py, comma-separated.")
    ] = "8,14,27,41",
    threads: Threads = 0,
) -> None:
    """Trains front ends of several sizes from a pack; ``python -m train.front`` needs no SDK."""
    from train.front.plan import Plan
    from train.front.run import Front

    plan = Plan(minutes=minutes, sizes=tuple(sizes.split(",")))
    Front(plan, pack, out, torch.device(device), threads or torch.get_num_threads()).run()


def refine(
    start: Annotated[
        Path, typer.Option("--from", help="A checkpoint, or a2-14.safetensors of 'front'.")
    ] = Path("train/checkpoints/default.safetensors"),
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    teacher: Teacher = TEACHER,
    out: Annotated[Path, typer.Option(help="Folder for weights, log and state.")] = Path(
        "runs/refined"
    ),
    threads: Threads = 0,
) -> None:
    """Trains a front end further on two cores: higher and lower voices. Half an hour; resumable."""
    from train.front.refine import refine as run
    from train.product import Product

    if threads:
        torch.set_num_threads(threads)
    run(Product(data, work, teacher), start, out)
    typer.echo(f"front end: {out / 'a2-14.safetensors'}")
