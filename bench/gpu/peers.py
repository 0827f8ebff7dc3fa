"""Optimised PyTorch versions of the step and the lookup.

Weights are side by side, the output projection is folded into the taps, and all rings are in one
tensor with shared positions (ours have one per stream); everything stays on the device.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from bench.gpu.harness import Harness
from train.models.tacn import TACN, TACNConfig, TACNLayer


class Step(nn.Module):
    """The incremental step with its own rings and position: tokens (B, C) to logits (B, L)."""

    projection: Tensor
    convolution: Tensor
    bias: Tensor
    head_weight: Tensor
    head_bias: Tensor
    slots: Tensor
    first: Tensor
    back: Tensor
    memory: Tensor
    position: Tensor

    def __init__(self, harness: Harness, streams: int) -> None:
        super().__init__()
        self.shape, self.streams = harness.tacn, streams
        t, s = harness.bundle.tensors, harness.tacn
        parts = [t[f"tacn.{name}"] for name in ("query", "key", "value")]
        folded = np.einsum(
            "nij,ntjk->ntik", t["tacn.output"].astype(float), t["tacn.taps"].astype(float)
        )
        slots = np.array(s.slots)
        buffers = {
            "projection": np.concatenate(parts, axis=-1),  # (N, C, 3C)
            "convolution": folded.reshape(s.layers, -1, s.width).astype(np.float32),  # (N, kC, C)
            "bias": t["tacn.bias"],
            "head_weight": t["head.weight"],
            "head_bias": t["head.bias"],
            "slots": slots,
            "first": np.cumsum(slots) - slots,
            "back": np.arange(1, s.taps) * np.array(s.dilations)[:, None],  # (N, k-1)
            "memory": np.zeros((int(slots.sum()), streams, 3 * s.width), np.float32),
            "position": np.zeros((), np.int64),
        }
        for name, array in buffers.items():
            self.register_buffer(name, harness.tensor(array))

    def forward(self, x: Tensor, fused: bool) -> Tensor:
        """One step. ``fused``: use PyTorch's attention function instead of separate operators."""
        s, now = self.shape, self.position
        older = self.memory[self.first[:, None] + (now - self.back) % self.slots[:, None]]
        rows = []
        for n in range(s.layers):
            rows.append(x @ self.projection[n])
            taps = torch.cat([rows[n][None], older[n]])  # (k, B, 3C)
            parts = taps.view(s.taps, self.streams, 3, s.heads, s.depth)
            q, k, v = parts.permute(2, 1, 3, 0, 4)  # (B, h, k, C / h)
            if fused:
                mixed = scaled_dot_product_attention(q, k, v)
            else:
                scores = (q[:, :, :, None] * k[:, :, None]).sum(-1) * s.depth**-0.5
                mixed = (scores.softmax(-1)[..., None] * v[:, :, None]).sum(3)
            mixed = mixed.permute(0, 2, 1, 3).reshape(self.streams, -1)
            x = x + torch.relu(torch.addmm(self.bias[n], mixed, self.convolution[n]))
        self.memory.index_copy_(0, self.first + now % self.slots, torch.stack(rows))
        self.position += 1
        return torch.addmm(self.head_bias, x, self.head_weight)


class Lookup(nn.Module):
    """Nearest codes and the token: deep (B, F) and latent (B, P, D) to tokens (B, C)."""

    codebook: Tensor
    turned: Tensor
    norms: Tensor
    deep_weight: Tensor
    latent_weight: Tensor
    bias: Tensor

    def __init__(self, harness: Harness) -> None:
        super().__init__()
        names = ("codebook", "deep_weight", "latent_weight", "bias")
        weights = {name: harness.bundle.tensors[f"vq.{name}"] for name in names}
        book = weights["codebook"]
        for name, array in {**weights, "turned": -2 * book.T, "norms": (book**2).sum(1)}.items():
            self.register_buffer(name, harness.tensor(array))

    def forward(self, deep: Tensor, latent: Tensor) -> Tensor:
        """By the expanded square."""
        codes = torch.addmm(self.norms, latent.flatten(0, 1), self.turned).argmin(1)
        chosen = self.codebook[codes].view(len(deep), -1)
        return torch.addmm(self.bias, deep, self.deep_weight) + chosen @ self.latent_weight


def network(harness: Harness) -> tuple[TACN, Tensor, Tensor]:
    """The layers over whole sequences, as in training, and the head's weight and bias."""
    s, t = harness.tacn, harness.bundle.tensors
    model = TACN(TACNConfig(s.width, s.layers, s.taps, s.heads)).to(harness.device).eval()
    with torch.no_grad():
        for n, layer in enumerate(model.layers):
            assert isinstance(layer, TACNLayer)
            parts = [t[f"tacn.{name}"][n] for name in ("query", "key", "value")]
            layer.qkv.copy_(harness.tensor(np.stack(parts)))
            layer.output.copy_(harness.tensor(t["tacn.output"][n]))
            layer.filters.copy_(harness.tensor(t["tacn.taps"][n]))
            layer.bias.copy_(harness.tensor(t["tacn.bias"][n]))
    return model, harness.tensor(t["head.weight"]), harness.tensor(t["head.bias"])
