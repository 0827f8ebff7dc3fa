"""The paper's recurrent baselines (Table 1): SimpleRNN, GRU, LSTM, bidirectional GRU and LSTM."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS: dict[str, type[nn.RNN] | type[nn.GRU] | type[nn.LSTM]] = {
    "simplernn": nn.RNN,
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}

RecurrentState = Tensor | tuple[Tensor, Tensor]
"""Hidden state of B streams, (1, B, C); an LSTM's is a pair of them, hidden and cell."""


class CannotStreamError(Exception):
    """The model cannot be stepped or exported; the message says why."""


class Recurrent(nn.Module):
    """One recurrent layer of C units; bidirectional: C units each way and a projection to C.

    The paper gives neither depth nor width of its recurrent models; this is the smallest. Its
    receptive field is unbounded.
    """

    hop = 1
    receptive_field = math.inf

    def __init__(
        self, cell: str, width: int, bidirectional: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.width, self.bidirectional = width, bidirectional
        self.name = f"{'b' if bidirectional else ''}{cell}"
        self.delay = math.inf if bidirectional else 0
        """Tokens of look-ahead; unbounded for bidirectional models, which wait for the end."""
        self.cell = CELLS[cell](width, width, batch_first=True, bidirectional=bidirectional)
        self.join = nn.Linear(2 * width, width) if bidirectional else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Tokens (B, T, C), of which the first ``lengths`` (B,) int64 count (all if None).

        Gives (B, T, C); rows beyond an utterance's length are undefined. The backward direction
        starts at an utterance's own last token and never reads padding.

        Raises ValueError if the lengths are not B numbers from 1 to T.
        """
        # Always float32: recurrence accumulates the rounding errors of lower precisions.
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(next(self.cell.parameters()).dtype)
            if self.bidirectional and lengths is not None:
                y = self._packed(x, lengths)
            else:
                y, _ = self.cell(x)
            joined: Tensor = self.join(self.dropout(y))
        return joined

    def _packed(self, x: Tensor, lengths: Tensor) -> Tensor:
        batch, time, _ = x.shape
        if lengths.shape != (batch,) or lengths.min() < 1 or lengths.max() > time:
            raise ValueError(
                f"lengths {lengths.tolist()} do not fit {batch} utterances of up to {time} tokens"
            )
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        y, _ = self.cell(packed)
        padded: Tensor = pad_packed_sequence(y, batch_first=True, total_length=time)[0]
        return padded

    def initial_state(self, batch: int) -> RecurrentState:
        """Raises CannotStreamError for bidirectional models."""
        self._check_streams()
        hidden = torch.zeros(1, batch, self.width)
        return (hidden, hidden.clone()) if isinstance(self.cell, nn.LSTM) else hidden

    def step(self, x: Tensor, state: RecurrentState) -> tuple[Tensor, RecurrentState]:
        """One token a stream: x (B, C) and state to y (B, C) and the new state; pure.

        Raises CannotStreamError for bidirectional models.
        """
        self._check_streams()
        y, after = self.cell(x[:, None], state)
        return self.join(self.dropout(y[:, 0])), after

    def _check_streams(self) -> None:
        if self.bidirectional:
            raise CannotStreamError(
                f"{self.name} cannot stream: it reads an utterance from its end as well; "
                "it is a baseline for training, without step and export"
            )
