"""Sizes of the front end, in millions of multiply-adds per token.

Only the CNN differs; tokens, codes and TACN stay the same, and with them all kernels. Widths are
multiples of 8, so that vectors are fully used.
"""

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file

from train.models.cnn import CNNConfig
from train.models.emotion import EmotionModel, ModelConfig

SHIPPED = ("frontend.", "fusion.", "gate.")
"""Parts of an :class:`EmotionModel` that are trained here."""


@dataclass(frozen=True)
class Size:
    """A front end and its learning rate."""

    config: ModelConfig
    learning_rate: float


SIZES = {
    "8": Size(ModelConfig(cnn=CNNConfig((16, 40, 56), 16, 128)), 4e-3),
    "14": Size(ModelConfig(), 4e-3),
    "27": Size(ModelConfig(cnn=CNNConfig((64, 128, 176), 64, 192)), 3e-3),
    "41": Size(ModelConfig(cnn=CNNConfig((80, 176, 240), 80, 256)), 3e-3),
}
"""Counted by ``train.models.cost.multiply_adds_a_hop``; the names are rounded."""


def loaded(size: str, weights: Path, prefix: str = "") -> EmotionModel:
    """A model with the front end, fusion and gate of a training run; the rest is new.

    In ``a1.safetensors``, which holds all sizes, names begin with ``prefix``, such as ``"27."``.

    Raises ValueError if the file holds another size.
    """
    model = EmotionModel(SIZES[size].config)
    found = {n[len(prefix) :]: t for n, t in load_file(weights).items() if n.startswith(prefix)}
    try:
        missing, unknown = model.load_state_dict(found, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{weights} does not hold size {size}: {error}") from error
    lacking = [name for name in missing if name.startswith(SHIPPED)]
    if lacking or unknown:
        raise ValueError(f"{weights} does not hold size {size}: {lacking or unknown} differ")
    return model.eval()
