"""The front end for a number of segments: two ways to launch ours, and PyTorch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bench.gpu.ahead_of_time import AheadOfTime
from bench.gpu.clock import recorded
from bench.gpu.harness import COMPILED, Candidate, Harness, Ready, contest
from bench.gpu.plan import AHEAD, JIT
from bench.worker import AbsentError
from edgeser.backends.cuda.front_end_shape import (
    FrontEndModel,
    Layer,
    Spectrum,
    front_end_model,
    front_end_shape,
)
from edgeser.backends.cuda.front_end_weights import LEVEL_CONSTANTS, pack_front_end
from edgeser.backends.cuda.triton.front_end_host import FrontEnd


def measure(harness: Harness, segments: int) -> dict[str, Any]:
    """A contest on noise, with a different level in each stream. Raises AbsentError."""
    model = front_end_model(harness.bundle)
    if model is None:
        raise AbsentError("the model does not tell its front end's layers")
    generator = torch.Generator().manual_seed(1)
    sound = 0.05 * torch.randn(segments, model.segment, generator=generator)
    levels = torch.linspace(-60, -20, segments)
    given = sound.to(harness.device), levels.to(harness.device)

    def calls(run: Callable[[Tensor, Tensor], tuple[Tensor, ...]]) -> Ready:
        kept: list[Tensor] = []

        def call() -> None:
            kept[:] = run(*given)

        work = recorded(call, harness.device)
        work.call()
        work.wait()
        return Ready(work, _answer(kept[0], kept[1]))

    def ahead() -> Ready:
        s = harness.bundle.manifest.sizes
        sizes = (segments, s.deep), (segments, s.positions, s.code_width), (segments,)
        made = [torch.empty(size, device=harness.device) for size in sizes]
        work = AheadOfTime(harness).front_end(*given, *made)
        work.call()
        work.wait()
        return Ready(work, _answer(made[0], made[1]))

    def pytorch(compiled: bool) -> Ready:
        run: Callable[..., tuple[Tensor, ...]] = Peer(model, harness.device)
        if compiled:
            run = torch.compile(run, mode=COMPILED, dynamic=False, fullgraph=True)
            run(*given)
        return calls(run)

    with torch.no_grad():
        return contest(
            harness,
            [
                Candidate(AHEAD, ahead),
                Candidate(JIT, lambda: calls(FrontEnd(model, "fp32", harness.device))),
                Candidate(
                    f"{JIT} bfloat16", lambda: calls(FrontEnd(model, "bf16", harness.device)), 0.1
                ),
                Candidate("PyTorch in a CUDA graph", lambda: pytorch(compiled=False)),
                Candidate("torch.compile", lambda: pytorch(compiled=True), slow=True),
            ],
        )


def _answer(deep: Tensor, latent: Tensor) -> Any:
    return torch.cat((deep.flatten(1), latent.flatten(1)), 1).float().cpu().numpy()


class Peer(nn.Module):
    """The usual PyTorch form: convolutions of the sound, then of its views.

    Segments (B, segment) and levels (B,) to deep (B, F), latent (B, P, D) and levels (B,).
    """

    def __init__(self, model: FrontEndModel, device: torch.device) -> None:
        super().__init__()
        self.shape = front_end_shape(model)
        self.level = [*(model.network.level[name] for name in LEVEL_CONSTANTS), model.unset]
        packed = pack_front_end(model, self.shape)
        for name in ("spectrogram", "harmonics"):
            view: Spectrum | None = getattr(self.shape, name)
            if view is not None:
                basis = packed.data[packed.offsets[f"{name}.basis"] :].view("float32")
                sides = (2, -(-view.window // 32) * 32, -(-view.bands // 32) * 32)
                waves = torch.from_numpy(basis[: sides[0] * sides[1] * sides[2]].copy())
                waves = waves.view(sides)[:, : view.window, : view.bands]
                self.register_buffer(name, waves.transpose(1, 2).flatten(0, 1)[:, None].to(device))
        for layer in self.shape.layers:
            for part in ("weight", "bias"):
                value = torch.from_numpy(model.tensors[f"frontend.{layer.name}.{part}"].copy())
                if value.dim() == 4:
                    value = value.permute(3, 2, 0, 1).contiguous()
                self.register_buffer(f"{layer.name}.{part}".replace(".", " "), value.to(device))

    def forward(self, segments: Tensor, levels: Tensor) -> tuple[Tensor, ...]:
        """See above."""
        s = self.shape
        rise, fall, limit, headroom, quietest, span, unset = self.level
        wide = self._power("spectrogram", s.spectrogram, segments)
        loud = wide[:, -s.newest :, s.skipped :].sum((1, 2)) / s.newest
        heard = 10 * torch.log10(loud * 1e20 + 1) - 200
        away = (heard - levels).clamp_min(-limit)
        moved = levels + torch.where(away > 0, rise, fall) * away
        moved = torch.maximum(moved, heard - headroom)
        now = torch.where(levels > 0.5 * unset, moved, heard).clamp_min(quietest)
        gain = torch.exp((span - now) * 0.23025850929940457)[:, None, None]

        def normal(power: Tensor) -> Tensor:
            scaled = torch.log1p(power * gain) * (2 / (span * 0.23025850929940457)) - 1
            return scaled.clamp_max(1 + 20 / span)[:, None]

        features = [self._body(s.wide, normal(wide))]
        if s.harmonics is not None:
            power = self._power("harmonics", s.harmonics, segments)
            features.append(self._body(s.narrow, normal(power)))
        flat = torch.cat([body.permute(0, 2, 3, 1).flatten(1) for body in features], 1)
        deep = torch.relu(
            torch.addmm(getattr(self, "head bias"), flat, getattr(self, "head weight"))
        )
        latent = self._body(s.encoder, normal(wide)).flatten(2).transpose(1, 2)
        return deep, latent, now

    def _power(self, name: str, view: Spectrum, segments: Tensor) -> Tensor:
        parts = nn.functional.conv1d(
            segments[:, None, view.start :], getattr(self, name), stride=view.hop
        )
        real, imaginary = parts.transpose(1, 2).chunk(2, dim=2)
        return real * real + imaginary * imaginary

    def _body(self, layers: tuple[Layer, ...], x: Tensor) -> Tensor:
        for layer in layers:
            weight, bias = (getattr(self, f"{layer.name} {p}".replace(".", " ")) for p in _PARTS)
            x = nn.functional.conv2d(x, weight, bias, layer.told.stride, layer.told.padding)
            x = torch.relu(x) if layer.told.relu else x
        return x


_PARTS = ("weight", "bias")
