"""The sequence models that the paper compares (Table 1), with one factory and one interface.

Each takes tokens (B, T, C) and, optionally, lengths (B,) int64 and gives (B, T, C). Rows beyond an
utterance's length are undefined and never affect earlier rows. Each has ``receptive_field`` and
``delay`` in tokens (``math.inf`` if unbounded) and ``hop``, which is 1. Causal models have
``initial_state(batch)`` and a pure ``step(x, state)`` with the same results as ``forward``; the
bidirectional ones raise CannotStreamError.
"""

from train.models.recurrent import CELLS, Recurrent
from train.models.tacn import TACN, TACNConfig
from train.models.tcn import TCN

SequenceModel = Recurrent | TCN | TACN

SEQUENCES = ("simplernn", "gru", "bgru", "lstm", "blstm", "tcn", "tacn")
"""In the order of the paper's table."""


def sequence_model(kind: str, config: TACNConfig, dropout: float = 0.0) -> SequenceModel:
    """A sequence model of the configuration's width; TCN and TACN share the other sizes as well.

    Raises ValueError if there is no such kind.
    """
    if kind not in SEQUENCES:
        raise ValueError(f"no sequence model {kind!r}; there are {', '.join(SEQUENCES)}")
    if kind == "tacn":
        return TACN(config, dropout)
    if kind == "tcn":
        return TCN(config, dropout)
    cell = kind if kind in CELLS else kind.removeprefix("b")
    return Recurrent(cell, config.width, bidirectional=cell != kind, dropout=dropout)


def parameter_counts(config: TACNConfig | None = None) -> dict[str, int]:
    """Parameters of every kind at the same width, in the order of the paper's table."""
    models = {kind: sequence_model(kind, config or TACNConfig()) for kind in SEQUENCES}
    return {kind: sum(p.numel() for p in m.parameters()) for kind, m in models.items()}
