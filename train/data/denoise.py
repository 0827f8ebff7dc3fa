"""Removes a recording's own noise floor.

In an acted corpus the floor reveals the emotion: quiet, sad speech is amplified together with its
noise; shouting is not. Training mixes every recording with its version without the floor in random
proportions, so that the floor carries no information.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WINDOW = 512
HOP = 128
QUANTILE = 0.10
"""The floor is estimated from the softest tenth of each frequency's frames."""
OF_THE_MEAN = -np.log1p(-QUANTILE)
"""That quantile relative to the mean, for noise with exponentially distributed power."""
OVERSUBTRACTION = 1.2
ATTENUATION_DB = 35.0
"""Attenuation of parts that are only floor."""


def without_floor(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtracts the steady floor from mono samples (N,) at 16 kHz (a Wiener gain)."""
    clean: NDArray[np.float32] = floor_removed(torch.from_numpy(samples)).numpy()
    return clean


def floor_removed(samples: Tensor) -> Tensor:
    """:func:`without_floor` for samples (N,) on any device."""
    window = torch.hann_window(WINDOW, device=samples.device)
    spectrum = torch.stft(
        samples, WINDOW, HOP, window=window, pad_mode="constant", return_complex=True
    )
    power = spectrum.abs().square()
    floor = power.quantile(QUANTILE, dim=1) / OF_THE_MEAN
    floor = torch.nn.functional.avg_pool1d(floor[None], 9, 1, 4, count_include_pad=False)[0]
    smooth = torch.nn.functional.avg_pool2d(power[None], 3, 1, 1, count_include_pad=False)[0]
    gain = 1 - OVERSUBTRACTION * floor[:, None] / (smooth + 1e-20)
    gain = gain.clamp(min=10 ** (-ATTENUATION_DB / 10)).sqrt()
    clean: Tensor = torch.istft(spectrum * gain, WINDOW, HOP, window=window, length=len(samples))
    return clean
