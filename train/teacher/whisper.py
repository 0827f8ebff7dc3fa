"""The encoder of Whisper (Radford et al. 2022, arXiv 2212.04356), only for training.

Plain PyTorch; the weights are given as a file, and nothing is downloaded. Names and layout are
those of a CTranslate2 conversion: ``conv1``, ``conv2``, ``position_encodings.encodings`` and
``layer_N.self_attention.linear_0`` with Q, K and V side by side.
"""

import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

SAMPLE_RATE = 16_000
WINDOW = 400
"""Samples in a Hann window: 25 ms."""
FRAME_HOP = 160
"""Samples between two frames of the input: 10 ms."""
STEP = 2 * FRAME_HOP
"""Samples per output vector: 20 ms."""
BANDS = 80
WANTED = (2, 3, 4)
"""Layers, counted from 1, that the front end learns to predict."""


class TeacherError(ValueError):
    """A teacher's weights are missing or are not those of a Whisper encoder."""


def mel_filters(bands: int = BANDS) -> Tensor:
    """Slaney's mel filter bank as Whisper uses it: (bands, 201) float32."""

    def to_mel(hertz: np.ndarray) -> np.ndarray:
        linear = 3 * hertz / 200
        above = 15 + np.log(np.maximum(hertz, 1e-9) / 1000) * 27 / math.log(6.4)
        return np.where(hertz >= 1000, above, linear)

    def to_hertz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel >= 15, 1000 * np.exp((mel - 15) * math.log(6.4) / 27), 200 * mel / 3)

    bins = np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)
    ends = to_hertz(np.linspace(to_mel(np.array(0.0)), to_mel(np.array(8000.0)), bands + 2))
    low, centre, high = ends[:-2, None], ends[1:-1, None], ends[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    filters = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return torch.from_numpy(filters.astype(np.float32))


class Layer(nn.Module):
    """One pre-norm transformer layer, width C, ``heads`` heads."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to the same."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.qkv(self.attention_norm(x)).chunk(3, -1)
        )
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        result: Tensor = x + self.down(nn.functional.gelu(self.up(self.norm(x))))
        return result


class WhisperEncoder(nn.Module):
    """Waveforms to the outputs of chosen layers, one vector every 20 ms."""

    def __init__(self, width: int = 512, layers: int = 6, heads: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(BANDS, width, 3, padding=1)
        self.conv2 = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(Layer(width, heads, 4 * width) for _ in range(layers))
        self.register_buffer("positions", torch.zeros(1500, width))
        self.register_buffer("filters", mel_filters(), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.positions: Tensor
        self.filters: Tensor
        self.window: Tensor

    @staticmethod
    def load(path: Path) -> "WhisperEncoder":
        """The encoder in a safetensors file.

        Raises:
            TeacherError: there is no such file, or it holds something else.
        """
        if not path.is_file():
            raise TeacherError(
                f"no teacher at {path}: give the file of a Whisper encoder's weights"
            )
        tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
        try:
            width = tensors["conv1.weight"].shape[0]
            count = 1 + max(
                int(n.split(".")[0][6:])
                for n in tensors
                if n.startswith("layer_") and n[6].isdigit()
            )
            encoder = WhisperEncoder(width, count, max(1, width // 64))
            encoder.load_state_dict(_renamed(tensors, count))
        except (KeyError, ValueError, RuntimeError) as error:
            raise TeacherError(f"{path} does not hold a Whisper encoder: {error}") from error
        return encoder.eval().requires_grad_(False)

    def log_mel(self, waveform: Tensor) -> Tensor:
        """(B, samples) in [-1, 1] to (B, 80, samples // 160), normalised as Whisper does."""
        spectrum = torch.stft(waveform, WINDOW, FRAME_HOP, window=self.window, return_complex=True)[
            ..., :-1
        ]
        mel = (self.filters @ spectrum.abs().square()).clamp(min=1e-10).log10()
        mel = torch.maximum(mel, mel.amax(dim=(1, 2), keepdim=True) - 8.0)
        return (mel + 4.0) / 4.0

    @torch.no_grad()
    def forward(self, waveform: Tensor, wanted: tuple[int, ...] = WANTED) -> Tensor:
        """(B, samples) to (B, samples // 320, len(wanted) * C).

        The outputs of the ``wanted`` layers, counted from 1, side by side; up to 30 s at once.
        """
        gelu = nn.functional.gelu
        x = gelu(self.conv2(gelu(self.conv1(self.log_mel(waveform))))).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        kept = []
        for number, layer in enumerate(self.layers[: max(wanted)], 1):
            x = layer(x)
            if number in wanted:
                kept.append(x)
        return torch.cat(kept, -1)


def _renamed(tensors: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """CTranslate2's names to those of the modules above."""
    state = {
        "positions": tensors["position_encodings.encodings"],
        **{f"conv{n}.{p}": tensors[f"conv{n}.{p}"] for n in (1, 2) for p in ("weight", "bias")},
    }
    parts = {
        "attention_norm": "self_attention.layer_norm",
        "norm": "ffn.layer_norm",
        "qkv": "self_attention.linear_0",
        "out": "self_attention.linear_1",
        "up": "ffn.linear_0",
        "down": "ffn.linear_1",
    }
    for n in range(layers):
        for ours, theirs in parts.items():
            names = ("gamma", "beta") if "norm" in ours else ("weight", "bias")
            for name, its in zip(("weight", "bias"), names, strict=True):
                state[f"layers.{n}.{ours}.{name}"] = tensors[f"layer_{n}.{theirs}.{its}"]
    return state
