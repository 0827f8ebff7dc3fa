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
from train.pooled import Pooled
from train.sessions import Batch, Batches, SessionRecipe, Utterance


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


def train_sessions(
    model: EmotionModel,
    utterances: Sequence[Utterance],
    recipe: SessionRecipe,
    speaker: SpeakerConfig | None = None,
    report: int = 0,
) -> None:
    """Trains sequence model, head and ``speaker.known`` of a model with a finished front end."""
    torch.manual_seed(recipe.seed)
    model.speaker.config = replace(speaker or model.speaker.config, adapt=True)
    labels = model.config.labels
    neutral = labels.index("neutral") if "neutral" in labels else 0
    means = measured(model.speaker, utterances, neutral)
    offsets = {
        c: (torch.from_numpy(m) - model.speaker.mean) / model.speaker.deviation
        for c, m in means.items()
    }
    trained = [*model.sequence.parameters(), *model.head.parameters(), model.speaker.known]
    for layer in getattr(model.sequence, "layers", []):
        layer.dropout.p = recipe.dropout
    optimizer = torch.optim.AdamW(trained, recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.15
    )
    steady = Batches(utterances, replace(recipe, jitter=0.0), model.speaker, offsets)
    readout = Pooled.fit(steady) if recipe.pooled else None
    draw = Batches(utterances, recipe, model.speaker, offsets)
    model.sequence.train()
    losses = []
    for step in range(recipe.steps):
        batch = draw()
        goal = smoothed(batch.target, recipe.label_smoothing)
        if readout is not None:
            goal = readout(batch.x.detach(), batch.inside).softmax(-1)
        x = batch.x + recipe.noise * torch.randn_like(batch.x)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model.sequence(nn.functional.dropout(x, recipe.token_dropout))
        loss = emotion_loss(model.head(hidden.float()), goal, batch)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if report and (step + 1) % report == 0:
            print(f"{step + 1}/{recipe.steps} loss {np.mean(losses[-report:]):.3f}", flush=True)
    model.eval()


def verdicts(logits: Tensor, inside: Tensor) -> Tensor:
    """Probabilities of utterances (B, L) from their tokens' logits (B, T, L), as a stream's."""
    weight = inside.float()
    weight = weight * (weight.cumsum(1) / RAMP_FRAMES).clamp(max=1)
    total = weight.sum(1, keepdim=True).clamp(min=1e-6)
    return (logits.softmax(-1) * weight[..., None]).sum(1) / total


def smoothed(target: Tensor, smoothing: float) -> Tensor:
    """Targets (N, L) with a share of ``smoothing`` spread over all labels."""
    return target * (1 - smoothing) + smoothing / target.shape[1]


def emotion_loss(logits: Tensor, goal: Tensor, batch: Batch) -> Tensor:
    """Cross-entropy, half over tokens, half over verdicts: logits (N, T, L), goal (N, L)."""
    each = -(goal[:, None] * logits.log_softmax(-1)).sum(-1)
    whole = -(goal * (verdicts(logits, batch.inside) + 1e-6).log()).sum(1)
    loss: Tensor = 0.5 * (each * batch.ramp).sum() / batch.ramp.sum() + 0.5 * whole.mean()
    return loss
