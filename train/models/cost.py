"""What a network costs: multiply-adds of its convolutions and linear layers."""

import torch
from torch import Tensor, nn

from train.models.harmonics import Harmonics
from train.models.spectrogram import Spectrogram


@torch.no_grad()
def multiply_adds(module: nn.Module, *inputs: Tensor) -> int:
    """Multiply-adds of one call of ``module`` on inputs of batch 1."""
    total = 0

    def count(part: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(part, nn.Conv2d):
            taps = part.weight[0].numel()
            total += output[0].numel() * taps
        elif isinstance(part, nn.Linear):
            total += output[0].numel() * part.in_features
        elif isinstance(part, Spectrogram | Harmonics):
            # The basis is a convolution called as a function: twice the bins, each a window long.
            total += output[0].numel() * 2 * part.receptive_field

    hooks = [part.register_forward_hook(count) for part in module.modules()]
    module(*inputs)
    for hook in hooks:
        hook.remove()
    return total
