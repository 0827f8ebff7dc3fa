"""Trains the sequence model and the head on sessions."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeser.reference.verdict import RAMP_FRAMES
from train.models.emotion import EmotionModel
from train.models.speaker import Speaker, SpeakerConfig
from train.sessions import Batch, Batches, SessionRecipe, Utterance
from train.teacher.readout import Readout


def measured(
    speaker: Speaker, utterances: Sequence[Utterance], neutral: int
) -> dict[str, NDArray[np.float32]]:
    """Set the speaker's buffers from training utterances; return each corpus's mean (raw).

    Corpora count the same, whatever their size. ``neutral`` is the label that calibration asks for.
    """
    corpora = sorted({u.corpus for u in utterances})
    tokens = {
        c: np.concatenate([p for u in utterances if u.corpus == c for p in u.passes if len(p)])
        for c in corpora
    }
    means = {c: t.mean(0) for c, t in tokens.items()}
    mean = np.mean(list(means.values()), axis=0)
    deviation = np.sqrt(np.mean([t.var(0) for t in tokens.values()], axis=0)) + 1e-3
    within, neutrals = [], []
    for name in sorted({(u.corpus, u.speaker) for u in utterances}):
        own = [u for u in utterances if (u.corpus, u.speaker) == name]
        spoken = [u for u in own if len(u.passes[0])]
        z = np.array([(u.passes[0].mean(0) - mean) / deviation for u in spoken])
        if len(z) < 8:
            continue
        within.append(z.var(0, ddof=1))
        # Every emotion has the same weight, so that a speaker's mean does not depend on their
        # proportions.
        labels = np.array([u.label for u in spoken])
        centre = np.mean([z[labels == k].mean(0) for k in np.unique(labels)], axis=0)
        if (labels == neutral).any():
            neutrals.append(z[labels == neutral].mean(0) - centre)
    speaker.mean.copy_(torch.from_numpy(mean))
    speaker.deviation.copy_(torch.from_numpy(deviation))
    speaker.between.copy_(torch.from_numpy(np.mean(within, axis=0).astype(np.float32)))
    speaker.neutral.copy_(torch.from_numpy(np.mean(neutrals, axis=0).astype(np.float32)))
    return means


def readout_of(utterances: Sequence[Utterance]) -> Readout:
    """Separates these utterances' emotions in the teacher's statistics."""
    known = [(one, one.teacher) for one in utterances if one.teacher is not None]
    return Readout.fit(
        np.stack([values for _, values in known]),
        [one.label for one, _ in known],
        [one.speaker for one, _ in known],
        [one.corpus for one, _ in known],
        len(utterances[0].target),
    )


def train_sessions(
    model: EmotionModel,
    utterances: Sequence[Utterance],
    recipe: SessionRecipe,
    speaker: SpeakerConfig | None = None,
    report: int = 0,
    readout: Readout | None = None,
) -> None:
    """Trains sequence model, head and ``speaker.known`` of a model with a finished front end.

    With a ``readout`` the sequence model learns the teacher's statistics of utterances, which all
    must have, and the head computes the readout from them.
    """
    torch.manual_seed(recipe.seed)
    model.speaker.config = replace(speaker or model.speaker.config, adapt=True)
    labels = model.config.labels
    neutral = labels.index("neutral") if "neutral" in labels else 0
    means = measured(model.speaker, utterances, neutral)
    offsets = {
        c: (torch.from_numpy(m) - model.speaker.mean) / model.speaker.deviation
        for c, m in means.items()
    }
    head = model.head if readout is None else TaughtHead(model.head.in_features, readout)
    trained = [*model.sequence.parameters(), *head.parameters(), model.speaker.known]
    for layer in getattr(model.sequence, "layers", []):
        layer.dropout.p = recipe.dropout
    optimizer = torch.optim.AdamW(trained, recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.15
    )
    draw = Batches(utterances, recipe, model.speaker, offsets, readout)
    model.sequence.train()
    losses = []
    for step in range(recipe.steps):
        batch = draw()
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model.sequence(nn.functional.dropout(batch.x, recipe.token_dropout))
        hidden = hidden.float()
        loss = emotion_loss(head(hidden), batch, recipe.label_smoothing)
        if isinstance(head, TaughtHead):
            loss = recipe.emotion * loss + head.loss(hidden, batch, recipe.soft)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if report and (step + 1) % report == 0:
            print(f"{step + 1}/{recipe.steps} loss {np.mean(losses[-report:]):.3f}", flush=True)
    if isinstance(head, TaughtHead):
        head.fold_into(model.head)
    model.eval()


def verdicts(logits: Tensor, inside: Tensor) -> Tensor:
    """Probabilities of utterances (B, L) from their tokens' logits (B, T, L), as a stream's."""
    weight = inside.float()
    weight = weight * (weight.cumsum(1) / RAMP_FRAMES).clamp(max=1)
    total = weight.sum(1, keepdim=True).clamp(min=1e-6)
    return (logits.softmax(-1) * weight[..., None]).sum(1) / total


def emotion_loss(logits: Tensor, batch: Batch, label_smoothing: float) -> Tensor:
    """Cross-entropy, half over tokens and half over verdicts. Logits (N, T, L)."""
    goal = batch.target * (1 - label_smoothing) + label_smoothing / batch.target.shape[1]
    each = -(goal[:, None] * logits.log_softmax(-1)).sum(-1)
    whole = -(goal * (verdicts(logits, batch.inside) + 1e-6).log()).sum(1)
    loss: Tensor = 0.5 * (each * batch.ramp).sum() / batch.ramp.sum() + 0.5 * whole.mean()
    return loss


class TaughtHead(nn.Module):
    """Hidden vectors (..., C) to the teacher's statistics, and by a fixed readout to logits."""

    def __init__(self, width: int, readout: Readout) -> None:
        super().__init__()
        self.predicted = nn.Linear(width, readout.weight.shape[1])
        self.readout = readout

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits (..., L)."""
        return self.readout(self.predicted(hidden))

    def loss(self, hidden: Tensor, batch: Batch, soft: float) -> Tensor:
        """Errors in the teacher's statistics.

        The squared error of an utterance's statistics, half that of its tokens, and ``soft`` times
        the cross-entropy with the emotions that the teacher's statistics give.
        """
        assert batch.teacher is not None
        found, share = self.predicted(hidden), batch.ramp / batch.ramp.sum(1, keepdim=True)
        whole = (found * share[..., None]).sum(1) - batch.teacher
        each = (found - batch.teacher[:, None]).square().mean(-1)
        loss: Tensor = whole.square().mean() + 0.5 * (each * share).sum(1).mean()
        said = verdicts(self.readout(found), batch.inside)
        taught = self.readout(batch.teacher).softmax(-1)
        return loss - soft * (taught * (said + 1e-6).log()).sum(1).mean()

    @torch.no_grad()
    def fold_into(self, head: nn.Linear) -> None:
        """Sets ``head`` to compute the same."""
        weight = self.readout.weight
        head.weight.copy_(weight @ self.predicted.weight)
        head.bias.copy_(weight @ self.predicted.bias + self.readout.bias)
