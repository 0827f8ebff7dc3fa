"""``python -m train finetune`` and ``amount``."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from safetensors import SafetensorError

from train.checkpoint import Checkpoint
from train.data.manifest import CorpusError
from train.export import export_bundle
from train.finetune.licence import licence_of
from train.finetune.recipe import OwnRecipe, read_recipe, write_recipe
from train.finetune.recordings import left_out, read_own
from train.finetune.replay import REPLAYED_LICENCE, REPLAYED_NOTICES, replayed
from train.finetune.report import write
from train.finetune.run import About, Made, Maker
from train.sessions import Utterance


def finetune(
    data: Annotated[
        Path, typer.Option(help="Your recordings: in folders named by emotion, or with a CSV.")
    ],
    out: Annotated[Path, typer.Option(help="The NAME.edgeser to write.")] = Path("mine.edgeser"),
    start: Annotated[Path, typer.Option(help="The parent: a checkpoint to start from.")] = Path(
        "train/checkpoints/default.safetensors"
    ),
    config: Annotated[
        Path | None, typer.Option(help="A recipe in YAML; missing settings have defaults.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Instead of the recipe's.")] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Folder with the default model's corpora, to hear again.")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="Of your recordings (SPDX), added to the parent's."),
    ] = None,
    notice: Annotated[
        list[str] | None, typer.Option(help="To go with the bundle, beside the parent's.")
    ] = None,
    one_voice: Annotated[
        bool, typer.Option("--one-voice", help="All recordings may be one person's.")
    ] = False,
    threads: Annotated[
        int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")
    ] = 0,
) -> None:
    """Trains a model of your own emotions and voices; writes a bundle and a quality report."""
    if threads:
        torch.set_num_threads(threads)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    if out.suffix != ".edgeser":
        raise CorpusError(f"the bundle would be {out}: expected a name that ends in .edgeser")
    _check_outputs(out, start, config)
    _check_texts(out, notice or ())
    recipe = read_recipe(config) if config else OwnRecipe()
    if epochs is not None:
        recipe = replace(recipe, epochs=epochs)
    if learning_rate is not None:
        recipe = replace(recipe, learning_rate=learning_rate)
    parent = Checkpoint.load(start)
    licence_of(parent.facts.get("licence", ""), licence)  # refused now, not after the training
    own = read_own(data, parent.model.config.labels, recipe.labels, one_voice)
    if others := left_out(data):
        kinds = ", ".join(sorted({path.suffix.lower() for path in others}))
        typer.echo(f"left out: {len(others)} files of kinds that are not read ({kinds})", err=True)
    about = About(out.stem, licence, notice or ())
    again: Sequence[Utterance] = ()
    if replay is not None:
        again = replayed(parent, replay, own.labels, recipe)
        about = replace(about, notices=[*REPLAYED_NOTICES, *about.notices])
        joined = " AND ".join(filter(None, (REPLAYED_LICENCE, licence)))
        about = replace(about, licence=joined)
    people = f"{len(own.speakers)} speakers" if own.speakers else "speakers that are not known"
    typer.echo(f"{len(own.recordings)} recordings of {people}: {', '.join(own.labels)}")
    made = Maker(parent, own, recipe, again, typer.echo).make(about)
    _keep(made, recipe, out)
    for line in summary(made):
        typer.echo(line)
    typer.echo(f"bundle: {out}; its checkpoint, recipe and report lie beside it")


def summary(made: Made) -> list[str]:
    """The command's final output."""
    report = made.report
    first, (low, high) = report["figures"]["first"], report["figures"]["interval"]
    chance = 1 / len(report["labels"])
    lines = [f"UA {first['ua']:.3f} ({low:.2f} to {high:.2f}; chance {chance:.2f})"]
    if before := report.get("parent_figures"):
        lines[0] += f", the parent {before['first']['ua']:.3f}"
    whom = "people whom the judged models had not heard" if report["by_speaker"] else "known voices"
    lines[0] += f", on {first['count']} recordings of {whom}"
    if report["means_something"] == "nothing":
        lines.append("These figures are too few to mean something:")
    return [*lines, *(f"  {caution}" for caution in report["cautions"])]


def outputs(out: Path) -> dict[str, Path]:
    """The output files: the bundle, and those beside it."""
    endings = (".safetensors", ".recipe.yaml", ".report.md", ".report.json")
    return {ending: out.with_suffix(ending) for ending in (out.suffix, *endings)}


def _check_outputs(out: Path, start: Path, config: Path | None) -> None:
    """Checks before the training that all files can be written, and none is an input."""
    try:
        for path in outputs(out).values():
            for read in filter(None, (start, config)):
                if path.resolve() == read.resolve():
                    raise CorpusError(
                        f"{path} would be written over what is read: give the bundle another --out"
                    )
            if path.is_dir():
                raise CorpusError(f"{path} is a folder: give the bundle another --out")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise CorpusError(f"nothing can be written in {out.parent}: {error.strerror}") from None


def _check_texts(out: Path, notices: Sequence[str]) -> None:
    """Checks before the training that the bundle can have this name and these notices."""
    for option, text in (("--out", out.stem), *(("--notice", notice) for notice in notices)):
        if not text.isprintable():
            raise CorpusError(
                f"{option} is {text!r}, which has characters that cannot be printed: leave them out"
            )


def _keep(made: Made, recipe: OwnRecipe, out: Path) -> None:
    """Writes all files or none: if the disk is full, the files of an earlier training stay."""
    checkpoint = made.checkpoint
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".") as folder:
            new = Path(folder) / out.name
            checkpoint.save(new.with_suffix(".safetensors"))
            export_bundle(
                checkpoint.model,
                new,
                checkpoint.facts,
                checkpoint.thresholds,
                checkpoint.temperature,
                made.graph,
            )
            write_recipe(recipe, new.with_suffix(".recipe.yaml"))
            write(made.report, new)
            for ending, path in outputs(out).items():
                new.with_suffix(ending).replace(path)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise CorpusError(f"the model could not be written in {out.parent}: {why}") from None


def amount(
    data: Annotated[Path, typer.Option(help="Folder with manifest.csv and the corpora.")] = Path(
        "../shared/data"
    ),
    corpus: Annotated[str, typer.Option(help="Stands in for your own recordings.")] = "emodb",
    start: Annotated[Path, typer.Option(help="The parent.")] = Path(
        "train/checkpoints/default.safetensors"
    ),
    sizes: Annotated[str, typer.Option(help="Numbers of speakers, comma-separated.")] = "1,2,4",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each size.")] = 1,
    config: Annotated[Path | None, typer.Option(help="A recipe in YAML.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for page and figures.")] = Path("docs/model"),
    threads: Annotated[
        int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")
    ] = 0,
) -> None:
    """Measures how much data is needed: 'finetune' with more and more speakers."""
    from train.finetune.amount import Amount
    from train.finetune.amount import write as write_page

    if threads:
        torch.set_num_threads(threads)
    recipe = read_recipe(config) if config else OwnRecipe()
    tried = [int(size) for size in sizes.split(",")]
    study = Amount(data, Checkpoint.load(start), corpus, recipe, tried, seeds, typer.echo)
    typer.echo(f"page: {write_page(study.results(), out)}")
