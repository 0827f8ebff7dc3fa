"""Trains a parent's sequence model and a head for other labels on sessions of your own speakers.

Front end, fusion and gate do not change, so tokens are computed once.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from edgeser.reference.verdict import RAMP_FRAMES
from train.finetune.recipe import OwnRecipe
from train.loop import precision
from train.models.emotion import EmotionModel
from train.models.tacn import TACN
from train.session_training import verdicts
from train.sessions import SessionRecipe, Sessions, Utterance

PARENT_WORTH = 20
"""Weight of the parent's token mean and deviation, in recordings."""


def descended(parent: EmotionModel, labels: tuple[str, ...]) -> EmotionModel:
    """A copy with a head for ``labels``; rows of labels that the parent knows are kept."""
    model = EmotionModel(replace(parent.config, labels=labels))
    weights = parent.state_dict()
    head = {name: weights.pop(f"head.{name}") for name in ("weight", "bias")}
    model.load_state_dict(weights, strict=False)
    model.speaker.config = parent.speaker.config
    with torch.no_grad():
        for row, label in enumerate(labels):
            if label in parent.config.labels:
                known = parent.config.labels.index(label)
                model.head.weight[row] = head["weight"][known]
                model.head.bias[row] = head["bias"][known]
    return model.eval()


def settle(model: EmotionModel, utterances: Sequence[Utterance]) -> None:
    """Moves the tokens' mean and deviation towards those of your own recordings.

    The more recordings there are, the further. What needs many speakers (``between``,
    ``neutral``) stays the parent's, in units of the new deviations.
    """
    speaker = model.speaker
    tokens = torch.from_numpy(np.concatenate([p for u in utterances for p in u.passes]))
    share = len(utterances) / (len(utterances) + PARENT_WORTH)
    old = speaker.deviation.clone()
    speaker.mean.lerp_(tokens.mean(0), share)
    speaker.deviation.copy_(old.square().lerp(tokens.var(0), share).sqrt())
    scale = old / speaker.deviation
    speaker.between.mul_(scale.square())
    speaker.neutral.mul_(scale)


def trained(
    parent: EmotionModel,
    labels: tuple[str, ...],
    utterances: Sequence[Utterance],
    recipe: OwnRecipe,
    known_speakers: bool = True,
) -> EmotionModel:
    """A model that starts as ``parent`` and is trained on these utterances.

    Without ``known_speakers`` a session is one utterance.
    """
    torch.manual_seed(recipe.seed)
    model = descended(parent, labels)
    settle(model, utterances)
    longest = recipe.longest if known_speakers else 1
    sessions = recipe.sessions if known_speakers else recipe.sessions * recipe.longest // 2
    drawn = SessionRecipe(sessions=max(1, sessions), longest=longest, seed=recipe.seed)
    draw = Sessions(utterances, drawn)
    each = drawn.sessions * (1 + longest) / 2
    steps = max(3, math.ceil(recipe.epochs * len(utterances) / each))
    parameters = [*model.sequence.parameters(), *model.head.parameters(), model.speaker.known]
    if isinstance(model.sequence, TACN):
        for layer in model.sequence.layers:
            layer.dropout.p = recipe.dropout  # type: ignore[union-attr]
    optimizer = torch.optim.AdamW(
        parameters, recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=steps + 1, pct_start=max(0.15, 1.5 / steps)
    )
    model.sequence.train()
    for _ in range(steps):
        batch = _batch(model, draw()[0], recipe)
        optimizer.zero_grad()
        _loss(model, *batch, recipe).backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        schedule.step()
    return model.eval()


def _loss(
    model: EmotionModel, x: Tensor, inside: Tensor, target: Tensor, recipe: OwnRecipe
) -> Tensor:
    """Loss: half over tokens, half over verdicts; inputs as from :func:`_batch`."""
    fast = precision("bf16-mixed") == "bf16-mixed"
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        logits = model.head(model.sequence(nn.functional.dropout(x, recipe.token_dropout)))
    logits = logits.float()
    goal = target * (1 - recipe.label_smoothing) + recipe.label_smoothing / target.shape[1]
    ramp = inside.float()
    ramp = ramp * (ramp.cumsum(1) / RAMP_FRAMES).clamp(max=1)
    each = -(goal[:, None] * logits.log_softmax(-1)).sum(-1)
    whole = -(goal * (verdicts(logits, inside) + 1e-6).log()).sum(1)
    loss: Tensor = 0.5 * (each * ramp).sum() / ramp.sum() + 0.5 * whole.mean()
    return loss


def _batch(
    model: EmotionModel, sessions: Sequence[Sequence[tuple[Utterance, int]]], recipe: OwnRecipe
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens (N, T, C) of utterances in sessions, their mask, and targets.

    Every utterance has at least one token.
    """
    speaker, rows, targets = model.speaker, [], []
    for session in sessions:
        offset = recipe.jitter * torch.randn(len(speaker.mean))
        heard = speaker.fresh(1)
        for utterance, room in session:
            tokens = utterance.passes[room][: recipe.tokens]
            z = speaker.standardised(torch.from_numpy(tokens)) + offset
            x = speaker(z[None], heard)[0]
            rows.append(x + recipe.noise * torch.randn_like(x))
            targets.append(utterance.target)
            with torch.no_grad():
                heard = speaker.commit(heard, z.mean(0, keepdim=True), torch.tensor([len(tokens)]))
    lengths = torch.tensor([len(row) for row in rows])
    inside = torch.arange(int(lengths.max())) < lengths[:, None]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True), inside, torch.tensor(targets)
