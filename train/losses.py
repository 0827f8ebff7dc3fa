"""The losses, and an utterance's verdict from its tokens."""

import torch
from torch import Tensor

from edgeser.reference.verdict import RAMP_FRAMES
from train.data.batches import Batch
from train.recipe import Recipe


def verdict(logits: Tensor, speech: Tensor) -> Tensor:
    """Probabilities of utterances (B, L): means over their tokens, weighted by speech (B, T).

    The same as ``edgeser.reference.verdict``, including the ramp over the first seconds of speech.
    The last column of ``logits`` (B, T, L + 1) is the speech logit.
    """
    probabilities = logits[..., :-1].softmax(-1)
    weights = speech * ((speech > 0).cumsum(1) / RAMP_FRAMES).clamp(max=1.0)
    total = weights.sum(1, keepdim=True).clamp(min=1e-6)
    return (probabilities * weights[..., None]).sum(1) / total


def speech_weights(logits: Tensor, tokens: Tensor, threshold: float = 0.5) -> Tensor:
    """The speech scores of tokens with speech, 0 for others: logits (B, T, L + 1) to (B, T)."""
    score = logits[..., -1].sigmoid()
    inside = torch.arange(logits.shape[1], device=logits.device) < tokens[:, None]
    return score * ((score >= threshold) & inside)


def emotion_loss(logits: Tensor, batch: Batch, class_weights: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy of the speech tokens and of the verdict, over recordings with a target."""
    target = batch.target
    known = target.sum(1) > 0
    weight = (target * class_weights).sum(1) * batch.weight * known
    smooth = recipe.label_smoothing
    target = target * (1 - smooth) + smooth / target.shape[1]
    spoken = batch.speech.float() * known[:, None]
    heard = spoken.cumsum(1)
    ramp = spoken * (heard / recipe.ramp_tokens).clamp(max=1.0) * weight[:, None]
    token_loss = -(logits[..., :-1].log_softmax(-1) * target[:, None]).sum(-1)
    per_token = (token_loss * ramp).sum() / ramp.sum().clamp(min=1.0)
    probabilities = verdict(logits, batch.speech.float())
    per_utterance = -(target * (probabilities + 1e-6).log()).sum(1) * weight
    return 0.5 * per_token + 0.5 * per_utterance.sum() / weight.sum().clamp(min=1e-6)


def detail_loss(logits: Tensor, batch: Batch, recipe: Recipe) -> Tensor:
    """Cross-entropy of the speech tokens over all emotions of the corpora, logits (B, T, D)."""
    spoken = batch.speech.float() * (batch.detail.sum(1) > 0)[:, None]
    ramp = spoken * (spoken.cumsum(1) / recipe.ramp_tokens).clamp(max=1.0)
    token_loss = -(logits.log_softmax(-1) * batch.detail[:, None]).sum(-1)
    return (token_loss * ramp).sum() / ramp.sum().clamp(min=1.0)


def speech_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Binary cross-entropy of the speech score over the tokens of the recordings."""
    inside = torch.arange(logits.shape[1], device=logits.device) < batch.tokens[:, None]
    each = torch.nn.functional.binary_cross_entropy_with_logits(
        logits[..., -1], batch.speech.float(), reduction="none"
    )
    return (each * inside).sum() / inside.sum()
