"""Writes the page about precision, as Markdown and JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime

import edgeser
from train.checkpoint import Checkpoint
from train.default import LABELLED, UNHEARD
from train.provenance import provenance
from train.studies.precision.measure import CALIBRATION_RECORDINGS, Variant, measure

TEMPLATE = """\
# Effect of the precision

The effect of lower precision, measured on real recordings with `python -m train precision`: {name}
{version}, commit {commit}, ONNX Runtime {runtime}, {simd} kernels. The reference is the training
code with the same weights in float64. The C++ kernels return the same bits on every CPU, the graphs
only in the same ONNX Runtime. Noise of half a step of 16 bits is added to the recordings, because
a stream restarts its grid of hops after digital silence, and the training code does not.

*Front end*: `C++` is the package's own; `ONNX Runtime` runs `frontend.onnx`, the same
network, as exported, with its layers cast to float16, or with int8 pairs of QuantizeLinear and
DequantizeLinear. `edgeser export --precision` writes these graphs for TensorRT; here
they run on a CPU. The step graph adds float32 kernels to them. The views of a
segment and the running level stay float32. The int8 scales come from {calibrated} recordings of
EmoDB and CREMA-D. *Kernels*: the precision of `edgeser.load(precision=...)`, which also applies to
the C++ front end.
In bfloat16 and int8 the weights of the fusion are bfloat16; the search for codes is float32 always.

## What to choose

{choice}

## Held-out speakers

RAVDESS, which was not used for training, choices or calibration: {recordings} recordings, {frames}
frames. UA is the mean recall over four emotions, of verdicts on whole recordings; chance is 0.25.

{unheard}

Errors are those of frames, relative to float64. *RMS* is the error of the emotions'
log-probabilities. *99 %* and *worst* are the 99th percentile and the maximum, over frames, of the
largest error of a probability. *Speech* is the largest error of the speech score. float32 has large
errors too: if two VQ codes are almost equally near, rounding decides. *Agreement*
is the share of verdicts with the same emotion as the C++ float32 variant, and *shift* the
mean probability that moves between emotions in a verdict.

## Training corpora

The shipped weights were trained on most speakers of EmoDB and CREMA-D (a reconstruction from
log-mel spectrograms), so the UA here does not measure quality; it only shows the effect of the
precision. The [report](report.md) has the figures of held-out speakers.
{heard}

## The front end alone

On {segments} segments from all three corpora, given the same running
level: RMS of the error relative to the RMS of R_d and E_o (the paper's names), and the share of VQ
codes that differ from float64.

{front_ends}
"""

NOTES = {
    "float64": "the training model in float64",
}


def write_page(data: Path, work: Path, checkpoint: Checkpoint, out: Path) -> Path:
    """Measures, and writes ``precision.json`` and ``precision.md`` to the folder ``out``."""
    results = _rounded({"about": _about(checkpoint), **measure(data, work, checkpoint)})
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1)
    (out / "precision.json").write_text(text + "\n", encoding="utf-8")
    path = out / "precision.md"
    path.write_text(page(results), encoding="utf-8")
    return path


def page(results: Mapping[str, Any]) -> str:
    """The Markdown of the results of :func:`measure`."""
    about, unheard = results["about"], results[UNHEARD]
    some = unheard["float64"]
    return TEMPLATE.format(
        name=about["model"],
        version=about["version"],
        commit=about["commit"],
        runtime=about["onnxruntime"],
        simd=about["simd"],
        calibrated=CALIBRATION_RECORDINGS * len(LABELLED),
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
    """One sentence for each lower precision of the kernels, from the figures."""
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
    """Rounds floats to four significant digits, so that the JSON stays readable."""
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value
