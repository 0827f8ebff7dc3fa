"""Cost of a network: multiply-adds of convolutions and linear layers, and parameters."""

from typing import Any

import torch
from torch import Tensor, nn

from train.models.emotion import EmotionModel
from train.models.harmonics import Harmonics
from train.models.segment import SEGMENT
from train.models.spectrogram import Spectrogram
from train.models.tacn import TACNConfig


@torch.no_grad()
def multiply_adds(module: nn.Module, *inputs: Any) -> int:
    """Multiply-adds of one call of ``module``, in eval mode, on inputs of batch 1."""
    total = 0

    def count(part: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(part, nn.Conv2d):
            taps = part.weight[0].numel()
            total += output[0].numel() * taps
        elif isinstance(part, nn.Linear):
            total += output[0].numel() * part.in_features
        elif isinstance(part, Spectrogram | Harmonics):
            # The basis is a functional convolution: twice the bins, each one window long.
            total += output[0].numel() * 2 * part.receptive_field

    hooks = [part.register_forward_hook(count) for part in module.modules()]
    module(*inputs)
    for hook in hooks:
        hook.remove()
    return total


@torch.no_grad()
def multiply_adds_a_hop(model: EmotionModel) -> dict[str, int]:
    """Multiply-adds per hop of 128 ms, by part; ``model`` in eval mode.

    Fourier transforms count as matrix products with their basis; the kernels, which fold them, need
    a quarter of that.
    """
    frontend, fusion, config = model.frontend, model.fusion, model.config
    segment, level = torch.zeros(1, SEGMENT), torch.zeros(1)
    views, _ = frontend.views(segment, level)
    deep, latent = frontend.read(views)
    codes = config.vqvae
    token = fusion(deep, latent)
    return {
        "spectra": multiply_adds(frontend.views, segment, level),
        "CNN": multiply_adds(frontend.cnn, views),
        "VQ-VAE encoder": multiply_adds(frontend.encoder, views.spectrogram),
        "VQ lookup": codes.positions * codes.codes * codes.code_width,
        "fusion": multiply_adds(fusion, deep, latent),
        "TACN": tacn_step(config.tacn),
        "head": multiply_adds(model.head, token),
    }


def tacn_step(config: TACNConfig) -> int:
    """Multiply-adds of one token through the incremental form, with W folded into the taps.

    A layer's are 3 C^2 for Q, K and V, k C^2 for the taps, 2 k^2 C for attention among the taps.
    """
    c, k = config.width, config.taps
    return config.layers * (3 * c * c + k * c * c + 2 * k * k * c)


def parameters(model: EmotionModel) -> int:
    """Number of values in a bundle: trained parameters, and the codebook."""
    return sum(p.numel() for p in model.parameters()) + model.fusion.codebook.codes.numel()
