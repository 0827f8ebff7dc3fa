"""The speech gate: decides which tokens the sequence model gets.

A small network on the fused token and the few tokens before it. Its memory is finite, so silence of
any length cannot fill it; tokens before the start contribute nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class GateConfig:
    """Sizes of the gate."""

    memory: int = 3
    """Number of past tokens in its input."""
    hidden: int = 32


class Gate(nn.Module):
    """Causal network from tokens to the logit of speech."""

    delay = 0
    hop = 1

    def __init__(self, width: int, config: GateConfig) -> None:
        super().__init__()
        self.config = config
        self.receptive_field = 1 + config.memory
        self.weight = nn.Parameter(torch.empty(config.memory + 1, width, config.hidden))
        self.bias = nn.Parameter(torch.zeros(config.hidden))
        self.out = nn.Linear(config.hidden, 1)
        nn.init.normal_(self.weight, std=((config.memory + 1) * width) ** -0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Raw tokens of whole streams (B, T, C) to logits (B, T)."""
        hidden = self.bias.expand(*tokens.shape[:2], -1)
        for age, weight in enumerate(self.weight[: tokens.shape[1]]):
            hidden = hidden + nn.functional.pad(
                tokens[:, : tokens.shape[1] - age] @ weight, (0, 0, age, 0)
            )
        logits: Tensor = self.out(torch.relu(hidden))[..., 0]
        return logits

    def step(self, token: Tensor, past: list[Tensor]) -> Tensor:
        """One token (B, C) and the tokens before it, newest first, to logits (B,)."""
        hidden = self.bias + token @ self.weight[0]
        for weight, old in zip(self.weight[1:], past, strict=False):
            hidden = hidden + old @ weight
        logits: Tensor = self.out(torch.relu(hidden))[..., 0]
        return logits
