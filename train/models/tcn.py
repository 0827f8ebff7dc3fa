"""Temporal convolutional network (Bai et al. 2018; paper, section 2.2, Eq. 3).

TACN without attention: a baseline with the depth, dilations, taps and residual of the TACN, so that
only attention differs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.models.tacn import TACNConfig, delayed


class TCNLayer(nn.Module):
    """One causal dilated convolution of width C with a residual: y = x + ReLU(b + sum_i F_i x)."""

    delay = 0
    hop = 1

    def __init__(self, width: int, taps: int, dilation: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.taps, self.dilation = taps, dilation
        self.receptive_field = 1 + (taps - 1) * dilation
        self.filters = nn.Parameter(torch.empty(taps, width, width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.filters, std=(1.0 / (taps * width)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, T, C) to (B, T, C); positions before token 0 add nothing."""
        z = self.bias.expand_as(x)
        for i in range(self.taps):
            if i * self.dilation < x.shape[1]:
                z = z + delayed(x, i * self.dilation) @ self.filters[i]
        y: Tensor = x + self.dropout(torch.relu(z))
        return y

    def step(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """One token: x (B, C) and those before it (B, (k-1)d, C), oldest first, to the new both."""
        known = torch.cat([past, x[:, None]], dim=1)
        taps = [known[:, -1 - i * self.dilation] @ self.filters[i] for i in range(self.taps)]
        y: Tensor = x + self.dropout(torch.relu(self.bias + torch.stack(taps).sum(0)))
        return y, known[:, 1:]


@dataclass
class TCNState:
    """State of B streams: each layer's last (k-1)d inputs (B, (k-1)d, C), zeros before token 0."""

    past: list[Tensor]


class TCN(nn.Module):
    """Layers of dilation 1, 2, 4, ...; tokens (B, T, C) to (B, T, C)."""

    delay = 0
    hop = 1

    def __init__(self, config: TACNConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(
            TCNLayer(config.width, config.taps, 2**n, dropout) for n in range(config.layers)
        )
        self.receptive_field = 1 + sum((config.taps - 1) * 2**n for n in range(config.layers))

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Tokens (B, T, C) to (B, T, C). It is causal, so ``lengths`` (B,) are ignored."""
        for layer in self.layers:
            x = layer(x)
        return x

    def initial_state(self, batch: int) -> TCNState:
        c = self.config
        return TCNState([torch.zeros(batch, (c.taps - 1) * 2**n, c.width) for n in range(c.layers)])

    def step(self, x: Tensor, state: TCNState) -> tuple[Tensor, TCNState]:
        """One token a stream: x (B, C) and state to y (B, C) and the new state; pure."""
        after = []
        for layer, past in zip(self.layers, state.past, strict=True):
            assert isinstance(layer, TCNLayer)
            x, past = layer.step(x, past)
            after.append(past)
        return x, TCNState(after)
