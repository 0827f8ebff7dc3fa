"""The page about precision: what was measured, as JSON and as Markdown."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime

import edgeser
from train.checkpoint import Checkpoint
from train.default import LABELLED, UNHEARD
from train.provenance import provenance
from train.studies.precision.measure import CALIBRATED_ON, Variant, measure

TEMPLATE = """\
# Precision and truth

What lower precision costs, measured on real recordings with `python -m train precision`: {name}
{version}, commit {commit}, ONNX Runtime {runtime}, {simd} kernels. The truth is the training code
with the same weights in float64. The C++ kernels return the same bits on every CPU, the graphs only
in the same ONNX Runtime. Recordings have noise of half a step of 16 bits added: after digital
silence a stream begins its hops anew, which the training code does not.

*Front end*: `C++` is what the package runs; `ONNX Runtime` runs `frontend.onnx`, which is the same
network, as exported, with its layers cast to float16, or with int8 pairs of QuantizeLinear and
DequantizeLinear. These graphs are what `edgeser export --precision` writes and TensorRT takes; here
they run on a CPU. The step graph adds float32 kernels to them. The views of a
segment and the running level stay float32. The int8 scales come from {calibrated} recordings of
EmoDB and CREMA-D. *Kernels*: what `edgeser.load(precision=...)` chooses, and with it the C++ front
end.
In bfloat16 and int8 the weights of the fusion are bfloat16; the search for codes is float32 always.

## What to choose

{choice}

## Speakers that the model has never heard

RAVDESS, on which nothing was trained, chosen or calibrated: {recordings} recordings, {frames}
frames. UA is the mean recall over four emotions, of verdicts on whole recordings; chance is 0.25.

{unheard}

Errors are those of frames, against float64. *RMS* is of the emotions' log-probabilities. *99 %*
and *worst* are of a frame's probability that is furthest off: in 99 of 100 frames, and in the one
where that is most. *Speech* is the worst error of the probability of speech. float32 has worst
cases too: where two VQ codes are as near as makes no difference, rounding decides. *Agreement*
is how many verdicts name the emotion that the package's own float32 names, and *shift* the
probability that moves from one emotion to another in a verdict, on average.

## Corpora that it was trained on

The shipped weights have heard most speakers of EmoDB and CREMA-D (a reconstruction from log-mel
spectrograms), so the UA here is no measure of quality, and stands here to show whether precision
moves it. The [report](report.md) has the figures of those whom they have not heard.
{heard}

## The front end by itself

On {segments} segments of recordings taken evenly from all three corpora, given the same running
level: RMS of the error relative to the RMS of R_d and E_o (the paper's names), and the share of VQ
codes that are not those of float64.

{front_ends}
"""

NOTES = {
    "float64": "the training model in float64",
}


def write_page(data: Path, work: Path, checkpoint: Checkpoint, out: Path) -> Path:
    """Measure, and write ``precision.json`` and ``precision.md`` to a folder."""
    results = _rounded({"about": _about(checkpoint), **measure(data, work, checkpoint)})
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1)
    (out / "precision.json").write_text(text + "\n", encoding="utf-8")
    path = out / "precision.md"
    path.write_text(page(results), encoding="utf-8")
    return path


def page(results: Mapping[str, Any]) -> str:
    """The Markdown of what :func:`measure` found."""
    about, unheard = results["about"], results[UNHEARD]
    some = unheard["float64"]
    return TEMPLATE.format(
        name=about["model"],
        version=about["version"],
        commit=about["commit"],
        runtime=about["onnxruntime"],
        simd=about["simd"],
        calibrated=CALIBRATED_ON * len(LABELLED),
        recordings=some["recordings"],
        frames=some["frames"],
        choice=_choice(unheard),
        unheard=_table(unheard),
        heard="".join(f"\n### {name}\n\n{_table(results[name])}\n" for name in LABELLED),
        segments=next(iter(results["front_ends"].values()))["segments"],
        front_ends=_front_ends(results["front_ends"]),
    )


def _about(checkpoint: Checkpoint) -> dict[str, Any]:
    model = edgeser.load()
    known = provenance(0)
    return {
        "model": model.name,
        "version": model.version,
        "hash": model.hash,
        "simd": model.simd,
        "onnxruntime": onnxruntime.__version__,
        "commit": known["commit"],
        "seed": known["seed"],
        "torch": known["torch"],
        "temperature": checkpoint.temperature,
    }


def _choice(unheard: Mapping[str, Mapping[str, float]]) -> str:
    """The kernels' precisions in a sentence each, from the figures."""
    lines = []
    for precision in ("bfloat16", "int8"):
        own = unheard[str(Variant("C++", precision, precision))]
        full = unheard[str(Variant("C++", "float32", "float32"))]
        lines.append(
            f'* `precision="{precision}"`: {1 - own["agreement"]:.1%} of the verdicts name another '
            f"emotion, and UA goes from {full['ua']:.3f} to {own['ua']:.3f}."
        )
    return "\n".join(lines)


def _table(rows: Mapping[str, Mapping[str, float]]) -> str:
    lines = [
        "| front end | kernels | RMS | 99 % | worst | speech | agreement | shift | UA |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        what = f"{NOTES[name]} | " if name in NOTES else name
        lines.append(
            f"| {what} | {row['rms_log_probability']:.2g} | {row['p99_probability']:.2g} "
            f"| {row['worst_probability']:.2g} | {row['worst_speech']:.2g} "
            f"| {row['agreement']:.1%} | {row['shift']:.2g} | {row['ua']:.3f} |"
        )
    return "\n".join(lines)


def _front_ends(rows: Mapping[str, Mapping[str, float]]) -> str:
    lines = ["| front end | R_d | E_o | codes changed |", "|---|---|---|---|"]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['deep']:.2g} | {row['latent']:.2g} | {row['codes_changed']:.2%} |"
        )
    return "\n".join(lines)


def _rounded(value: Any) -> Any:
    """Floats to four significant digits, so that a file of results stays readable."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
