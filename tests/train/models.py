"""Small models and audio that tests of ``train`` share."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from train.models.cnn import CNNConfig
from train.models.emotion import EmotionModel, ModelConfig
from train.models.segment import led_in
from train.models.tacn import TACNConfig
from train.models.vqvae import VQVAEConfig


def small_config() -> ModelConfig:
    """All parts, at a small size."""
    return ModelConfig(
        CNNConfig((4, 6, 8), 4, 12),
        VQVAEConfig((4, 6), codes=20, code_width=8),
        TACNConfig(width=12, layers=4, taps=3, heads=3),
    )


def small_model(config: ModelConfig | None = None, seed: int = 0) -> EmotionModel:
    """A model with random weights and well-filled normalisations, in eval mode."""
    torch.manual_seed(seed)
    model = EmotionModel(config or small_config())
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    model.fusion.codebook.codes.normal_(0, 0.3)
    # Statistics of a speaker that are not those of nobody, and a gate that opens for some tokens.
    speaker = model.speaker
    speaker.config = replace(speaker.config, adapt=True)
    for buffer in (speaker.mean, speaker.neutral, speaker.known.data):
        buffer.normal_(0, 0.3)
    for buffer in (speaker.deviation, speaker.between):
        buffer.uniform_(0.5, 1.5)
    with torch.no_grad():
        scores = model.hear(led_in(voice(5.3)), 0.5, 8)[1]
        model.gate.out.bias -= scores.median()
    return model.eval()


def voice(seconds: float, seed: int = 0) -> Tensor:
    """A synthetic voice with pitch, formants, loudness and pauses: (1, samples) at 16 kHz."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.arange(int(seconds * 16_000)) / 16_000
    pitch = 140 + 40 * torch.sin(2 * torch.pi * 0.7 * t)
    phase = 2 * torch.pi * torch.cumsum(pitch, 0) / 16_000
    tone = sum(torch.sin(k * phase) / k for k in range(1, 30))
    syllables = torch.sin(2 * torch.pi * 2.1 * t).clamp(min=0) ** 0.5
    noise = 0.003 * torch.randn(t.shape, generator=generator)
    return (0.1 * tone * syllables + noise)[None].float()
