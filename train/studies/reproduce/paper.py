"""The paper's figures in %, on IEMOCAP, with a random split that shares speakers.

Table 1 has the weighted accuracy, as the same figures in Table 2 show. Reports always show these
figures in their own columns.
"""

NAMES = {
    "simplernn": "SimpleRNN",
    "gru": "GRU",
    "bgru": "BGRU",
    "lstm": "LSTM",
    "blstm": "BLSTM",
    "tcn": "TCN",
    "tacn": "TACN",
}
"""The paper's sequence models, in its order; ``train.models`` may have more."""
SEQUENCES = tuple(NAMES)

TABLE_1 = {
    ("simplernn", False): 57.41,
    ("simplernn", True): 59.76,
    ("gru", False): 59.58,
    ("gru", True): 61.21,
    ("bgru", False): 62.12,
    ("bgru", True): 64.20,
    ("lstm", False): 59.13,
    ("lstm", True): 61.57,
    ("blstm", False): 61.75,
    ("blstm", True): 64.56,
    ("tcn", False): 64.38,
    ("tcn", True): 66.73,
    ("tacn", False): 66.46,
    ("tacn", True): 69.44,
}
"""WA by (sequence model, with latent representation). For the TCN without it, Table 1 has 64.38 and
Table 2 has 66.38."""

TABLE_2 = {
    ("tcn", False): {"f1": 64.68, "wa": 66.38, "ua": 63.80},
    ("tcn", True): {"f1": 67.00, "wa": 66.73, "ua": 67.48},
    ("tacn", False): {"f1": 66.98, "wa": 66.46, "ua": 67.18},
    ("tacn", True): {"f1": 69.75, "wa": 69.44, "ua": 70.16},
}


def name(kind: str, latent: bool) -> str:
    """The paper's name of a model, such as Fusion_TACN."""
    return f"{'Fusion' if latent else 'Deep'}_{NAMES[kind]}"
