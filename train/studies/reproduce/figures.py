"""Figures 4 and 5 of the paper, from our runs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeser.palette import colours
from train.studies.reproduce.paper import name
from train.studies.reproduce.tables import ABLATIONS, Results


def tsne(path: Path, arrays: Path, labels: Sequence[str]) -> None:
    """Fig. 4: t-SNE of R_d and R_f of held-out utterances, coloured by emotion."""
    from matplotlib import pyplot as plt
    from sklearn.manifold import TSNE

    with np.load(arrays) as saved:
        views = {"$R_d$ (Deep)": saved["deep"], "$R_f$ (Fusion)": saved["fused"]}
        truth = saved["truth"]
    colour = colours(tuple(labels))
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    for axis, (title, points) in zip(axes, views.items(), strict=True):
        near = min(30.0, (len(points) - 1) / 3)
        flat = TSNE(2, perplexity=near, random_state=0, init="pca").fit_transform(_scaled(points))
        for i, label in enumerate(labels):
            here = flat[truth == i]
            axis.scatter(here[:, 0], here[:, 1], s=18, color=colour[label], label=label, alpha=0.85)
        axis.set(title=title, xticks=[], yticks=[])
    axes[1].legend(frameon=False, loc="best")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _scaled(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standardizes each column to zero mean and unit deviation."""
    scaled: NDArray[np.float32] = (points - points.mean(0)) / (points.std(0) + 1e-6)
    return scaled


def confusions(path: Path, results: Results, labels: Sequence[str]) -> None:
    """Fig. 5: confusion matrices of the four ablations, over all folds and seeds, rows in %."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(15, 4.2), layout="constrained")
    for axis, case in zip(axes, ABLATIONS, strict=True):
        counts = np.sum(
            [r["confusion"] for r in results if (r["kind"], r["latent"]) == case], axis=0
        )
        share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
        axis.imshow(share, cmap="Blues", vmin=0, vmax=100)
        for row, column in np.ndindex(share.shape):
            shade = "white" if share[row, column] > 55 else "black"
            text = f"{share[row, column]:.0f}"
            axis.text(column, row, text, ha="center", va="center", color=shade)
        ticks = range(len(labels))
        axis.set_xticks(ticks, labels, rotation=35, ha="right")
        axis.set_yticks(ticks, labels if axis is axes[0] else [""] * len(labels))
        axis.set(title=name(*case), xlabel="predicted")
    axes[0].set_ylabel("acted (rows sum to 100 %)")
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
