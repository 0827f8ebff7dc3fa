"""NumPy references of the kernels: slow, short, and in the order of the formulas.

Each function computes in the dtype of its weights. In float64 it is the reference for every
backend; in float32 it shows the error of single precision itself. Streaming never uses it. Matrices
are (in, out), vectors are rows. Arguments are not checked; the functions of ``edgeser._kernels``
check theirs.

Threads: the functions are pure; a :class:`TacnPast` belongs to one thread at a time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class VQFusionWeights:
    """Codebook and fusion: K codes of width D, P positions, F deep features, tokens of width C."""

    codebook: Floats  # (K, D)
    deep_weight: Floats  # (F, C)
    latent_weight: Floats  # (P * D, C)
    bias: Floats  # (C,)

    def astype(self, dtype: npt.DTypeLike) -> VQFusionWeights:
        """Return the same weights in another dtype."""
        return VQFusionWeights(
            **{f.name: getattr(self, f.name).astype(dtype) for f in fields(self)}
        )


def squared_distances(latent: Floats, codebook: Floats) -> Floats:
    """Return ``||E_p - e_k||^2`` of shape (..., K) for latent vectors of shape (..., D)."""
    difference = latent[..., None, :] - codebook
    return np.asarray((difference * difference).sum(axis=-1))


def nearest_codes(latent: Floats, codebook: Floats) -> Integers:
    """Return the index of the nearest code of each (..., D) vector, the lowest one on ties."""
    return np.asarray(squared_distances(latent, codebook).argmin(axis=-1))


def fuse(weights: VQFusionWeights, deep: Floats, codes: Integers) -> Floats:
    """Return tokens (B, C) of deep features (B, F) and codes (B, P)."""
    flat = weights.codebook[codes].reshape(len(codes), -1)
    return np.asarray(deep @ weights.deep_weight + flat @ weights.latent_weight + weights.bias)


@dataclass(frozen=True)
class TacnWeights:
    """N layers of width C with k taps, and the output head; see :func:`tacn_offline`."""

    query: Floats  # (N, C, C)
    key: Floats  # (N, C, C)
    value: Floats  # (N, C, C)
    output: Floats  # (N, C, C)
    taps: Floats  # (N, k, C, C), tap i for the row of time t - i * d
    bias: Floats  # (N, C)
    head_weight: Floats  # (C, L)
    head_bias: Floats  # (L,)
    heads: int  # h, divides C; head j owns columns j * C/h .. (j + 1) * C/h
    dilations: tuple[int, ...]  # d of each layer, usually 1, 2, 4, ...

    def astype(self, dtype: npt.DTypeLike) -> TacnWeights:
        """Return the same weights in another dtype."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                values[name] = value.astype(dtype)
        return TacnWeights(**values)


def _attention(q: Floats, k: Floats, v: Floats, valid: npt.NDArray[np.bool_], heads: int) -> Floats:
    """Self-attention among the taps of each time: (T, k, C) each, ``valid`` (T, k); Eq. 5 and 6."""
    times, taps, width = q.shape
    depth = width // heads

    def split(x: Floats) -> Floats:
        return x.reshape(times, taps, heads, depth).transpose(0, 2, 1, 3)

    scores = split(q) @ split(k).transpose(0, 1, 3, 2) * q.dtype.type(1 / math.sqrt(depth))
    scores = np.where(valid[:, None, None, :], scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = (weights @ split(v)).transpose(0, 2, 1, 3).reshape(times, taps, width)
    return np.asarray(mixed * valid[:, :, None])


def _layer(
    w: TacnWeights, n: int, x: Floats, q: Floats, k: Floats, v: Floats, valid: npt.NDArray[np.bool_]
) -> Floats:
    """Finishes layer n: x (T, C) and each time's projected taps (T, k, C), newest first."""
    projected = _attention(q, k, v, valid, w.heads) @ w.output[n]
    z = w.bias[n] + sum(projected[:, i] @ w.taps[n, i] for i in range(w.taps.shape[1]))
    return np.asarray(x + np.maximum(z, 0))


def tacn_offline(w: TacnWeights, tokens: Floats) -> Floats:
    """Return the logits (T, L) of a whole sequence of tokens (T, C).

    Layer n with dilation d sees ``S = [x_{t-(k-1)d}, ..., x_{t-d}, x_t]`` at time t. Rows before
    the sequence are masked out of the softmax and add nothing to the convolution.
    """
    x = np.asarray(tokens)
    times = np.arange(len(x))[:, None]
    for n, dilation in enumerate(w.dilations):
        at = times - dilation * np.arange(w.taps.shape[1])
        valid = at >= 0
        gathered = np.maximum(at, 0)
        q, k, v = ((x @ m[n])[gathered] for m in (w.query, w.key, w.value))
        x = _layer(w, n, x, q, k, v, valid)
    return np.asarray(x @ w.head_weight + w.head_bias)


class TacnPast:
    """State of one stream: the inputs of every layer, back to its oldest tap."""

    def __init__(self, w: TacnWeights) -> None:
        reach = w.taps.shape[1] - 1
        self.inputs: list[deque[Floats]] = [deque(maxlen=reach * d + 1) for d in w.dilations]


def tacn_step(w: TacnWeights, token: Floats, past: TacnPast) -> Floats:
    """Return the logits (L,) after one more token (C,), and append it to ``past``.

    All taps are projected again from the stored inputs, so there is no other state.
    """
    x = np.asarray(token)
    taps = w.taps.shape[1]
    for n, (dilation, inputs) in enumerate(zip(w.dilations, past.inputs, strict=True)):
        inputs.append(x)
        valid = np.array([i * dilation < len(inputs) for i in range(taps)])
        rows = np.stack([inputs[-1 - i * dilation] if valid[i] else x for i in range(taps)])
        q, k, v = (rows @ m[n] for m in (w.query, w.key, w.value))
        x = _layer(w, n, x[None], q[None], k[None], v[None], valid[None])[0]
    return np.asarray(x @ w.head_weight + w.head_bias)


def tacn_steps(w: TacnWeights, tokens: Sequence[Floats] | Floats) -> Floats:
    """Return the logits (T, L) of tokens (T, C) fed one by one to a fresh past."""
    past = TacnPast(w)
    return np.stack([tacn_step(w, token, past) for token in tokens])


def resampling_filter(t: Floats, rate_in: int, rate_out: int) -> Floats:
    """Return the resampler's impulse response h(t), t in input samples, float64.

    A Kaiser-windowed sinc whose transition band is 0.875..1 of the lower Nyquist frequency; its
    length follows Kaiser's formula for 98 dB, rounded up to whole blocks of 8 samples a side.
    """
    nyquist = 0.5 * min(1.0, rate_out / rate_in)
    length = (98.0 - 8.0) / (2.285 * 2 * math.pi * nyquist * 0.125)
    half = 8 * math.ceil(math.ceil(length / 2) / 8)
    cutoff = nyquist * 0.9375
    beta = 0.1102 * (98.0 - 8.7)
    inside = np.abs(t) < half
    window = np.i0(beta * np.sqrt(np.where(inside, 1 - (t / half) ** 2, 0.0))) / np.i0(beta)
    return np.asarray(np.where(inside, 2 * cutoff * np.sinc(2 * cutoff * t) * window, 0.0))


def resample(x: Floats, rate_in: int, rate_out: int) -> Floats:
    """Return the ``ceil(n * out / in)`` samples of x (n,) at another rate, in x's dtype.

    ``y[m] = sum_n x[n] h(m * in / out - n)``: zero phase, zeros before and after the signal. Sums
    over all n for every m, so keep x short.
    """
    if rate_in == rate_out:
        return x.copy()
    n = np.arange(len(x))
    result = np.empty(-(-len(x) * rate_out // rate_in), x.dtype)
    for m in range(len(result)):
        whole, part = divmod(m * rate_in, rate_out)
        t = (whole - n) + part / rate_out
        result[m] = x @ resampling_filter(t, rate_in, rate_out).astype(x.dtype)
    return result
