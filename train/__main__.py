"""``python -m train``: train, evaluate and export models."""

import json
import logging
import warnings
from collections import Counter
from pathlib import Path
from typing import Annotated

import torch
import typer

from edgeser.bundle import read_bundle
from edgeser.export.step_graph import step_graph
from train.card import model_card
from train.checkpoint import Checkpoint
from train.data import corpora
from train.data.manifest import CorpusError, write_manifest
from train.data.shard import Shard
from train.default import UNHEARD
from train.export import export_bundle
from train.finetune.command import amount, finetune
from train.front.command import bulk, front, pack, refine
from train.models.recurrent import CannotStreamError
from train.options import TEACHER, Data, Teacher, Threads, Work
from train.recipe import Recipe

app = typer.Typer(
    help="Train, evaluate and export edgeser's models.", no_args_is_help=True, add_completion=False
)

JUDGED = Path("docs/model/judged.json")


@app.command()
def default(
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    out: Annotated[Path, typer.Option(help="Checkpoint to write.")] = Path(
        "train/checkpoints/default.safetensors"
    ),
    teacher: Teacher = TEACHER,
    minutes: Annotated[
        tuple[float, float], typer.Option(help="Of distillation without and with emotions.")
    ] = (32.0, 12.0),
    front_end: Annotated[
        Path | None,
        typer.Option("--front", help="Weights a2-14 of 'front', instead of distillation."),
    ] = None,
    threads: Threads = 0,
) -> None:
    """Trains the default model: distillation from a teacher, sessions, calibration."""
    from train.product import Product, Schedule

    _quiet(threads)
    Shard.here().alone("'default'", "train the front end in several, by train.front --steps")
    product = Product(data, work, teacher, Schedule(minutes), trained=front_end)
    product.build().save(out)
    typer.echo(f"checkpoint: {out}")


app.command()(pack)
app.command()(bulk)
app.command()(front)
app.command()(refine)


@app.command()
def judge(
    bundle: Annotated[Path, typer.Argument(help="A NAME.edgeser.")],
    checkpoint: Annotated[Path, typer.Argument(help="The checkpoint of the bundle.")],
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = JUDGED,
    every: Annotated[int, typer.Option(min=1, help="Use every n-th recording.")] = 1,
) -> None:
    """Evaluates a bundle through the SDK, as a user would: quiet, sessions, rates, new speakers."""
    import edgeser
    from train.judge.run import judge as study
    from train.judge.run import keep

    _quiet(0)
    speakers = Checkpoint.load(checkpoint).facts["training"]["judged_by"]
    keep(study(edgeser.load(bundle), data, work, speakers, every), out)
    typer.echo(f"figures: {out}")


@app.command()
def gate(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors checkpoint.")],
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("docs/model/gate.md"),
    thresholds: Annotated[str, typer.Option(help="Comma-separated.")] = "0.9,0.95,0.98,0.99",
) -> None:
    """Evaluates thresholds of the speech gate: false alarms and UA on the development speakers."""
    from train.judge.thresholds import gate_page
    from train.product import Product

    _quiet(0)
    tried = [float(part) for part in thresholds.split(",")]
    page = gate_page(Product(data, work, TEACHER), Checkpoint.load(checkpoint), tried)
    out.write_text(page, encoding="utf-8")
    typer.echo(f"page: {out}")


@app.command()
def voices(
    bundle: Annotated[Path, typer.Argument(help="A NAME.edgeser.")],
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("docs/model/voices.md"),
) -> None:
    """Evaluates higher and lower voices on the development speakers, through the SDK."""
    import edgeser
    from train.product import Product
    from train.studies.voices import voices_page

    _quiet(0)
    page = voices_page(Product(data, work, TEACHER), edgeser.load(bundle))
    out.write_text(page, encoding="utf-8")
    typer.echo(f"page: {out}")


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors checkpoint.")],
    bundle: Annotated[Path, typer.Argument(help="The NAME.edgeser to write.")],
    step: Annotated[
        Path | None, typer.Option(help="Also write the step graph to this .onnx file.")
    ] = None,
) -> None:
    """Exports a checkpoint as a bundle and, optionally, a step graph."""
    _quiet(0)
    trained = Checkpoint.load(checkpoint)
    digest = export_bundle(
        trained.model, bundle, trained.facts, trained.thresholds, trained.temperature
    )
    typer.echo(f"bundle: {bundle} (sha256 {digest})")
    if step is not None:
        step.write_bytes(step_graph(read_bundle(bundle)))
        typer.echo(f"step graph: {step}")


@app.command()
def strangers(
    front_end: Annotated[
        Path | None,
        typer.Option("--front", help="Weights a2-14 of 'front', with a1 beside them."),
    ] = None,
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("docs/model/strangers.md"),
    steps: Annotated[int, typer.Option(min=1, help="Of each training.")] = 200,
    threads: Threads = 0,
) -> None:
    """Chooses temperature and confidence threshold on corpora that were left out of training."""
    from train.product import Product
    from train.sessions import SessionRecipe
    from train.studies.strangers import strangers_page, study

    _quiet(threads)
    product = Product(data, work, TEACHER, trained=front_end)
    found = study(product, SessionRecipe(steps=steps))
    out.write_text(strangers_page(found, steps), encoding="utf-8")
    typer.echo(f"page: {out}")


@app.command()
def card(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors checkpoint.")],
    out: Annotated[Path, typer.Argument(help="The Markdown file to write.")],
    judged: Annotated[Path | None, typer.Option(help="Results of 'judge'.")] = None,
) -> None:
    """Writes a checkpoint's model card, from its own facts and the results of 'judge'."""
    found = json.loads(judged.read_text(encoding="utf-8")) if judged else None
    out.write_text(model_card(Checkpoint.load(checkpoint), found), encoding="utf-8")
    typer.echo(f"model card: {out}")


app.command()(finetune)
app.command()(amount)


@app.command()
def research(
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    start: Annotated[Path, typer.Option(help="The default model's checkpoint.")] = Path(
        "train/checkpoints/default.safetensors"
    ),
    out: Annotated[Path, typer.Option(help="Checkpoint to write.")] = Path(
        "runs/research.safetensors"
    ),
    teacher: Teacher = TEACHER,
    threads: Threads = 0,
) -> None:
    """Trains the research model: sessions that include RAVDESS (CC BY-NC-SA 4.0)."""
    from train.product import Product
    from train.sessions import SessionRecipe
    from train.studies.research import research as train_on

    _quiet(threads)
    made = train_on(Product(data, work, teacher), Checkpoint.load(start), SessionRecipe())
    made.save(out)
    scores = made.facts["training"]["speaker_independent"][UNHEARD]
    typer.echo(f"{UNHEARD}: UA {scores['ua']:.3f}, after ten {scores['ten_heard']:.3f}")
    typer.echo(f"checkpoint: {out}")


@app.command()
def report(
    judged: Annotated[Path, typer.Argument(help="Results of 'judge'.")] = JUDGED,
    baseline: Annotated[Path, typer.Option(help="Results of 'baseline'.")] = Path(
        "docs/model/baseline.json"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("docs/model"),
) -> None:
    """Writes tables of a bundle's quality from the results of 'judge'."""
    from train.judge.page import write_report

    typer.echo(f"report: {write_report(judged, baseline, out)}")


@app.command()
def curve(
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("docs/model"),
    epochs: Annotated[int, typer.Option(min=1, help="Of every training.")] = 2,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each size.")] = 2,
    again: Annotated[
        list[str] | None, typer.Option(help="A size to train once more. Repeatable.")
    ] = None,
    threads: Threads = 0,
) -> None:
    """Compares sizes: multiply-adds and parameters against UA, with one recipe."""
    from train.default import Corpora
    from train.studies.curve.report import write
    from train.studies.curve.runs import SIZES, Curve, shortened

    if unknown := set(again or ()) - set(SIZES):
        raise typer.BadParameter(f"no size {', '.join(unknown)}: there are {', '.join(SIZES)}")
    _quiet(threads)
    corpora = Corpora.read(data, work / "features")
    results = Curve(corpora, work, shortened(epochs), range(seeds), again or ()).results()
    typer.echo(f"report: {write(results, out)}")


@app.command()
def shortcut(
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    checkpoint: Annotated[Path, typer.Option(help="Provides the tokens.")] = Path(
        "train/checkpoints/default.safetensors"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("docs/model"),
) -> None:
    """Measures what a recording's noise floor reveals, and how well corpora can be told apart."""
    from train.studies.shortcut import shortcut as measure

    _quiet(0)
    typer.echo(f"report: {measure(data, work, Checkpoint.load(checkpoint), out)}")


@app.command()
def precision(
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    checkpoint: Annotated[Path, typer.Option(help="The bundled model's checkpoint.")] = Path(
        "train/checkpoints/default.safetensors"
    ),
    out: Annotated[Path, typer.Option(help="Folder for the page.")] = Path("docs/model"),
    threads: Threads = 0,
) -> None:
    """Measures the effect of float16, bfloat16 and int8 on the bundled model's results."""
    from train.studies.precision.page import write_page

    _quiet(threads)
    typer.echo(f"page: {write_page(data, work, Checkpoint.load(checkpoint), out)}")


@app.command()
def baseline(
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = Path(
        "docs/model/baseline.json"
    ),
) -> None:
    """Evaluates eGeMAPS with a support vector machine on the same folds (needs openSMILE)."""
    from train.studies.baseline import write_baseline

    result = write_baseline(data, work, out)
    for name, scores in {
        **result["within"],
        "across: " + UNHEARD: result["across"][UNHEARD],
    }.items():
        typer.echo(f"{name}: UA {scores['ua']:.3f}, WA {scores['wa']:.3f}")


@app.command()
def reproduce(
    corpus: Annotated[str, typer.Option(help="A labelled corpus of the manifest.")],
    data: Data = Path("../shared/data"),
    work: Work = Path("runs"),
    out: Annotated[Path, typer.Option(help="Folder for the report.")] = Path("docs/reproduction"),
    folds: Annotated[int, typer.Option(min=1, max=5, help="How many of the five folds.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each case on each fold.")] = 1,
    epochs: Annotated[int, typer.Option(min=1)] = 15,
    paper: Annotated[bool, typer.Option("--paper", help="Adadelta, batch 128.")] = False,
    random: Annotated[
        bool, typer.Option("--random", help="The paper's random split, which shares speakers.")
    ] = False,
    texts: Annotated[
        int, typer.Option(min=1, help="Folds of texts: above 1, tested texts are held out, too.")
    ] = 1,
    threads: Threads = 0,
) -> None:
    """Reproduces the paper's Tables 1 and 2 and Figures 4 and 5 on a corpus, as a report."""
    from train.studies.reproduce.report import reproduce as run
    from train.studies.reproduce.runs import Comparison

    _quiet(threads)
    recipe = Recipe.paper(epochs) if paper else Recipe(epochs=epochs, augment=None, detail_weight=0)
    if random and texts > 1:
        raise typer.BadParameter("--random shares texts as well as speakers: leave --texts out")
    comparison = Comparison(
        data, corpus, work, recipe, range(folds), range(seeds), random=random, texts=texts
    )
    typer.echo(f"report: {run(comparison, out)}")


@app.command()
def manifest(
    corpus: Annotated[
        list[str], typer.Option(help=f"A corpus: {', '.join(corpora.READERS)}. Repeatable.")
    ],
    folder: Annotated[
        list[Path], typer.Option("--from", help="Its folder, one for each --corpus, in order.")
    ],
    out: Annotated[Path, typer.Option(help="The manifest to write.")] = Path("manifest.csv"),
) -> None:
    """Converts published corpora to the one table that training reads."""
    if len(corpus) != len(folder):
        raise typer.BadParameter(f"{len(corpus)} --corpus but {len(folder)} --from: pair them")
    recordings = []
    for name, place in zip(corpus, folder, strict=True):
        found = corpora.read(name, place)
        emotions = Counter(r.emotion or "unlabelled" for r in found)
        counts = ", ".join(f"{emotion} {n}" for emotion, n in sorted(emotions.items()))
        speakers = len({r.speaker for r in found if r.speaker})
        typer.echo(f"{name}: {len(found)} recordings of {speakers} speakers ({counts})")
        recordings += found
    write_manifest(out, recordings)
    typer.echo(f"manifest: {out}")


def _quiet(threads: int) -> None:
    """Disables logs, so that the terminal shows progress bars."""
    if threads:
        torch.set_num_threads(threads)
    for name in ("lightning.pytorch", "lightning.fabric", "torch.onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


def main() -> None:
    """Runs the command line; known errors are printed as one line."""
    try:
        app()
    except (CorpusError, CannotStreamError) as error:
        typer.echo(f"error: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
