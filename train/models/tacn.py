"""Temporal attention convolutional network (paper, section 2.2, Eq. 3 to 7).

``forward`` computes a whole sequence, ``step`` one token with an explicit state. Both compute the
same function, and so does the C++ kernel. On a GPU ``forward`` uses Triton (``tacn_operator.py``)
if it is available; this file is the reference.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

try:
    from train.models import tacn_operator
except ImportError:  # no Triton, for example on macOS
    tacn_operator = None  # type: ignore[assignment]


@dataclass(frozen=True)
class TACNConfig:
    """Sizes of the network. The paper's are 8 layers, 3 taps and 8 heads; utterances need fewer."""

    width: int = 128
    layers: int = 6
    taps: int = 3
    heads: int = 8


class TACNLayer(nn.Module):
    """One layer, width C: multi-head self-attention over k dilated taps, then their convolution.

    Every matrix is stored as (in, out) and applied to row vectors, as in the bundle.
    """

    delay = 0
    hop = 1

    def __init__(
        self, width: int, heads: int, taps: int, dilation: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads ({heads}) must divide the width ({width})")
        self.heads, self.taps, self.dilation = heads, taps, dilation
        self.by_operator = True
        """Whether whole sequences use Triton on GPUs that support it."""
        self.receptive_field = 1 + (taps - 1) * dilation
        self.qkv = nn.Parameter(torch.empty(3, width, width))
        self.output = nn.Parameter(torch.empty(width, width))
        self.filters = nn.Parameter(torch.empty(taps, width, width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(dropout)
        for matrix in (*self.qkv, self.output):
            nn.init.xavier_uniform_(matrix)
        nn.init.normal_(self.filters, std=(1.0 / (taps * width)) ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, T, C) to (B, T, C); token t sees tokens t, t - d, ..., t - (k-1)d only."""
        if self._operator_serves(x):
            return self.forward_by_operator(x)
        time = x.shape[1]
        projected = torch.einsum("btc,pcd->pbtd", x, self.qkv)
        # Taps that are before token 0 for all tokens are skipped.
        reach = [i for i in range(self.taps) if i * self.dilation < time]
        windows = torch.stack([delayed(projected, i * self.dilation) for i in reach], dim=3)
        age = torch.arange(time, device=x.device)[:, None]
        offsets = torch.tensor(reach, device=x.device) * self.dilation
        y = self._attend_and_convolve(windows, age >= offsets, len(reach))
        return x + y

    def forward_by_operator(self, x: Tensor) -> Tensor:
        """The same as :meth:`forward`, wherever Triton runs or interprets."""
        width = x.shape[-1]
        weight = self.qkv.transpose(0, 1).reshape(width, 3 * width)
        projected = (x @ weight).unflatten(-1, (3, width))
        with torch.autocast(x.device.type, enabled=False):
            filters = self.output @ self.filters  # once, not for every token
        y: Tensor = tacn_operator.attend_and_convolve(
            projected, filters, self.bias, self.heads, self.dilation
        )
        y = self.dropout(y)
        return x + y

    def _operator_serves(self, x: Tensor) -> bool:
        wanted = self.by_operator and tacn_operator is not None
        return wanted and tacn_operator.serves(x.device, x.shape[-1])

    def step(self, x: Tensor, past: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """One token: x (B, C), ring (B, (k-1)d, 3, C), position (B,) to y (B, C), new ring."""
        slots = past.shape[1]
        projected = torch.einsum("bc,pcd->bpd", x, self.qkv)
        rows = torch.arange(past.shape[0], device=x.device)
        taps = [past[rows, (position - i * self.dilation) % slots] for i in range(1, self.taps)]
        taps.insert(0, projected)
        windows = torch.stack(taps, dim=1).permute(2, 0, 1, 3)[:, :, None]  # 3, B, 1, k, C
        offsets = torch.arange(self.taps, device=x.device) * self.dilation
        valid = (position[:, None] >= offsets)[:, None]  # B, 1, k
        y = x + self._attend_and_convolve(windows, valid, self.taps)[:, 0]
        written = (torch.arange(slots, device=x.device) == (position % slots)[:, None])[
            ..., None, None
        ]
        return y, torch.where(written, projected[:, None], past)

    def _attend_and_convolve(self, windows: Tensor, valid: Tensor, taps: int) -> Tensor:
        """Q, K, V of the taps (3, B, T, k, C), newest first, mask (..., T, k) to (B, T, C)."""
        _, batch, time, _, width = windows.shape
        q, k, v = (self._by_head(part) for part in windows.unbind(0))
        scores = torch.einsum("btihe,btjhe->bthij", q, k) * (width // self.heads) ** -0.5
        missing = ~valid.expand(batch, time, taps)
        scores = scores.masked_fill(missing[:, :, None, None, :], float("-inf"))
        attended = torch.einsum("bthij,btjhe->btihe", scores.softmax(-1), v)
        attended = attended.flatten(-2).masked_fill(missing[..., None], 0.0)
        mixed = attended @ self.output
        z = torch.einsum("btkc,kcd->btd", mixed, self.filters[:taps]) + self.bias
        y: Tensor = self.dropout(torch.relu(z))
        return y

    def _by_head(self, x: Tensor) -> Tensor:
        """(..., C) to (..., h, C / h)."""
        return x.reshape(*x.shape[:-1], self.heads, -1)


def delayed(x: Tensor, by: int) -> Tensor:
    """Shifts (..., T, C) towards the future by ``by`` < T tokens, filled with zeros."""
    if by == 0:
        return x
    return nn.functional.pad(x[..., :-by, :], (0, 0, by, 0))


@dataclass
class TACNState:
    """State of B streams: token counts (B,) int64, and each layer's ring (B, (k-1)d, 3, C).

    A ring holds Q, K and V. Token t is in slot t mod (k-1)d; taps before token 0 are masked,
    whatever the slot contains.
    """

    position: Tensor
    rings: list[Tensor]


class TACN(nn.Module):
    """Layers of dilation 1, 2, 4, ...; tokens (B, T, C) to (B, T, C)."""

    delay = 0
    hop = 1

    def __init__(self, config: TACNConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(
            TACNLayer(config.width, config.heads, config.taps, 2**n, dropout)
            for n in range(config.layers)
        )
        self.receptive_field = 1 + sum((config.taps - 1) * 2**n for n in range(config.layers))

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Tokens (B, T, C) to (B, T, C). It is causal, so ``lengths`` (B,) are ignored."""
        for layer in self.layers:
            x = layer(x)
        return x

    def use_operator(self, wanted: bool) -> None:
        """Selects Triton (where it runs) or plain PyTorch for whole sequences."""
        for layer in self.layers:
            layer.by_operator = wanted  # type: ignore[assignment]

    def initial_state(self, batch: int) -> TACNState:
        c = self.config
        rings = [torch.zeros(batch, (c.taps - 1) * 2**n, 3, c.width) for n in range(c.layers)]
        return TACNState(torch.zeros(batch, dtype=torch.int64), rings)

    def step(self, x: Tensor, state: TACNState) -> tuple[Tensor, TACNState]:
        """One token a stream: x (B, C) and state to y (B, C) and the new state; pure."""
        rings = []
        for layer, ring in zip(self.layers, state.rings, strict=True):
            assert isinstance(layer, TACNLayer)
            x, ring = layer.step(x, ring, state.position)
            rings.append(ring)
        return x, TACNState(state.position + 1, rings)
