"""The kernels in plain PyTorch, in 16 bits and with int8 linear layers.

What a lower precision costs anyone: the yardstick of the tests of our kernels in that precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from edgeser.reference import front_end as reference
from edgeser.reference.front_end import FrontEndWeights, Layer
from edgeser.reference.kernels import Integers, TacnWeights, VQFusionWeights
from tests.kernels.tester import Floats

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
"""For precisions with their own type; the others compute in float32 around linear layers."""

Linear = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def int8_linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """x @ weight with a scale a row of x and one a column of weight, both to -127..127."""
    x_scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-30) / 127
    w_scale = weight.abs().amax(0, keepdim=True).clamp_min(1e-30) / 127
    product = (x / x_scale).round().double() @ (weight / w_scale).round().double()  # exact
    return product.to(x.dtype) * (x_scale * w_scale)


def fuse(
    w: VQFusionWeights, deep: Floats, codes: Integers, dtype: torch.dtype = torch.bfloat16
) -> Floats:
    """The tokens (B, C) of deep features (B, F) and codes (B, P)."""
    flat = w.codebook[codes].reshape(len(codes), -1)
    inputs, weights, bias = (
        torch.from_numpy(array).to(dtype)
        for array in (
            np.concatenate((deep, flat), 1),
            np.concatenate((w.deep_weight, w.latent_weight)),
            w.bias,
        )
    )
    return np.asarray((inputs @ weights + bias).double().numpy())


def tacn(w: TacnWeights, tokens: Floats, precision: str) -> Floats:
    """The logits (T, L + 1) of tokens (T, C); see ``reference.tacn_offline``."""
    dtype = DTYPES.get(precision, torch.float32)
    linear: Linear = int8_linear if precision == "int8" else torch.matmul

    def tensor(array: Floats) -> torch.Tensor:
        return torch.from_numpy(array).to(dtype)

    x = tensor(tokens)
    length, width = x.shape
    taps = w.taps.shape[1]
    for n, dilation in enumerate(w.dilations):
        at = torch.arange(length)[:, None] - dilation * torch.arange(taps)
        valid = at >= 0  # (T, k)
        q, k, v = (
            linear(x, tensor(matrix))[at.clamp_min(0)]
            .reshape(length, taps, w.heads, -1)
            .transpose(1, 2)
            for matrix in (w.query[n], w.key[n], w.value[n])
        )
        scores = q @ k.mT / math.sqrt(width // w.heads)
        scores = scores.masked_fill(~valid[:, None, None, :], -math.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(length, taps, width)
        projected = linear(mixed.reshape(-1, width), tensor(w.output[n])).reshape(mixed.shape)
        projected = projected * valid[..., None]
        z = linear(projected.reshape(length, -1), tensor(w.taps[n].reshape(-1, width)))
        x = x + torch.relu(z + tensor(w.bias[n]))
    logits = linear(x, tensor(w.head_weight)) + tensor(w.head_bias)
    return np.asarray(logits.double().numpy())


def convolution(layer: Layer, x: torch.Tensor, precision: str) -> torch.Tensor:
    """A map (channels, time, frequency) through one layer; in int8 with a scale a map."""
    dtype = DTYPES.get(precision, torch.float32)
    weight = torch.from_numpy(layer.weight).to(dtype).permute(3, 2, 0, 1)
    if precision == "int8":
        x_scale = x.abs().max().clamp_min(1e-30) / 127
        w_scale = weight.abs().amax((1, 2, 3)).clamp_min(1e-30) / 127
        q, w = (x / x_scale).round().double(), (weight / w_scale[:, None, None, None]).round()
        z = torch.nn.functional.conv2d(q[None], w.double(), None, layer.stride, layer.padding)[0]
        z = z.float() * (x_scale * w_scale)[:, None, None]
    else:
        z = torch.nn.functional.conv2d(x[None], weight, None, layer.stride, layer.padding)[0]
    z = z + torch.from_numpy(layer.bias).to(dtype)[:, None, None]
    return torch.relu(z) if layer.relu else z


def front_end(
    w: FrontEndWeights, segments: Floats, levels: Floats, precision: str
) -> tuple[Floats, Floats]:
    """Deep (B, F) and latent (B, P, D); the views are those of the reference."""
    dtype = DTYPES.get(precision, torch.float32)
    linear: Linear = int8_linear if precision == "int8" else torch.matmul
    new = reference.read(w, segments, levels)[2]
    deep, latent = [], []
    for wave, level in zip(segments.astype(np.float64), new, strict=True):

        def body(layers: tuple[Layer, ...], power: Floats, level: Floats = level) -> torch.Tensor:
            x = torch.from_numpy(reference.normalise(w.level, power, level)).to(dtype)[None]
            for layer in layers:
                x = convolution(layer, x, precision)
            return x.permute(1, 2, 0)

        wide = reference.spectrogram(w, wave)
        features = [body(w.wide, wide).flatten()]
        if w.narrow:
            features.append(body(w.narrow, reference.harmonics(w, wave)).flatten())
        head = torch.from_numpy(w.head_weight).to(dtype)
        z = linear(torch.cat(features)[None], head)[0] + torch.from_numpy(w.head_bias).to(dtype)
        deep.append(torch.relu(z).double().numpy())
        latent.append(body(w.encoder, wide).flatten(0, 1).double().numpy())
    return np.stack(deep), np.stack(latent)
