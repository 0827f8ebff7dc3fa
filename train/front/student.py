"""A front end in training, with parts that are dropped afterwards: decoder, teacher's readouts."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.front.scenes import Batch
from train.models.emotion import EmotionModel, ModelConfig
from train.models.sizes import SHIPPED
from train.models.vqvae import Decoder

LARGEST_NORM = 5.0


@dataclass(frozen=True)
class Weights:
    """Weights of the parts of the loss, besides the teacher's vectors, whose weight is 1."""

    vq: float = 0.3
    commitment: float = 0.25
    gate: float = 0.2
    utterance: float = 0.5
    """Weight of the teacher's mean and deviation over a recording, read from those of the tokens;
    emotions depend on them."""
    emotion: float = 0.0


class Student(nn.Module):
    """The model, and the heads through which it learns."""

    def __init__(
        self, config: ModelConfig, target: int, corpora: int, even: Tensor | None = None
    ) -> None:
        super().__init__()
        self.model = EmotionModel(config)
        self.decoder = Decoder(config.vqvae)
        width = config.tacn.width
        self.teacher = nn.Linear(width, target)
        self.utterance = nn.Linear(2 * width, 2 * target)
        self.even: Tensor
        self.register_buffer("even", torch.eye(2 * target) if even is None else even)
        self.norms = nn.ModuleList(nn.BatchNorm1d(2 * width, momentum=0.05) for _ in range(corpora))
        self.emotion = nn.Sequential(
            nn.Dropout(0.3), nn.Linear(2 * width, 64), nn.ReLU(), nn.Linear(64, len(config.labels))
        )

    def trained(self) -> list[nn.Parameter]:
        """Parameters with gradients: not those of TACN, head and speaker."""
        named = self.named_parameters()
        kept = tuple(f"model.{part}" for part in SHIPPED)
        return [p for n, p in named if n.startswith(kept) or not n.startswith("model.")]

    def shipped(self, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """State of front end, fusion and gate."""
        found = self.model.state_dict().items()
        return {
            n: t.detach().to("cpu", dtype if t.is_floating_point() else t.dtype).contiguous()
            for n, t in found
            if n.startswith(SHIPPED)
        }

    def forward(self, batch: Batch, emotions: bool) -> dict[str, Tensor]:
        """The parts of the loss, and the shares ``missed``, ``false`` and ``right``."""
        model = self.model
        deep, latent = model.frontend.read(batch.segments)
        token = model.fusion(deep, latent.detach()).float()
        parts = {}
        error = nn.functional.mse_loss(self.teacher(token).float(), batch.target, reduction="none")
        parts["teacher"] = _mean(error.mean(1), batch.known)
        encoded, codebook = latent.float(), model.fusion.codebook
        index = codebook.nearest(encoded.detach())
        quantised = codebook.codes[index]
        parts["commitment"] = _mean((encoded - quantised).square().mean((1, 2)), batch.speech)
        rebuilt = self.decoder(encoded + (quantised - encoded).detach()).float()
        error = (rebuilt - batch.segments.spectrogram.float()).square().mean((1, 2))
        parts["rebuilt"] = _mean(error, batch.speech)
        if self.training:
            codebook.update(encoded.detach(), index, batch.speech)
        tokens = self._grid(token, batch)
        opened = nn.functional.pad(model.gate(tokens).float().flatten(), (0, 1))
        opened = opened.index_select(0, batch.slot)
        missed = nn.functional.binary_cross_entropy_with_logits(
            opened, batch.speech, reduction="none"
        )
        parts["gate"] = _mean(missed, batch.real)
        parts["missed"] = _mean((opened < 0).float(), batch.speech)
        parts["false"] = _mean((opened > 0).float(), batch.real - batch.speech)
        pooled = self._pooled(tokens, batch)
        goal = torch.cat([batch.mean, batch.deviation], 1)
        error = (self.utterance(pooled).float() - goal) @ self.even
        parts["utterance"] = error.square().mean()
        if emotions:
            parts |= self._emotions(pooled, batch)
        return parts

    @staticmethod
    def _grid(token: Tensor, batch: Batch) -> Tensor:
        """Tokens (N, C) at their positions: (B, T, C), zeros elsewhere."""
        rows, hops = batch.rows.shape
        grid = token.new_zeros(rows * hops + 1, token.shape[1])
        filled: Tensor = grid.index_copy(0, batch.slot, token)[:-1].unflatten(0, (rows, hops))
        return filled

    @staticmethod
    def _pooled(tokens: Tensor, batch: Batch) -> Tensor:
        """Mean and deviation (R, 2 C) of the speech tokens of each recording."""
        recordings = len(batch.emotion)
        tokens, weight = tokens[:recordings], batch.rows[:recordings, :, None]
        count = weight.sum(1).clamp(min=1)
        mean = (tokens * weight).sum(1) / count
        square = ((tokens - mean[:, None]).square() * weight).sum(1) / count
        return torch.cat([mean, (square + 1e-4).sqrt()], 1)

    def _emotions(self, pooled: Tensor, batch: Batch) -> dict[str, Tensor]:
        losses, right = [], []
        for norm, rows in zip(self.norms, batch.of_corpus, strict=True):
            if len(rows) < 2:
                continue
            logits, truth = (
                self.emotion(norm(pooled.index_select(0, rows))).float(),
                batch.emotion[rows],
            )
            losses.append(
                nn.functional.cross_entropy(logits, truth, label_smoothing=0.05, reduction="none")
            )
            right.append((logits.argmax(1) == truth).float())
        if not losses:
            return {}
        return {"emotion": torch.cat(losses).mean(), "right": torch.cat(right).mean()}


def loss_of(parts: dict[str, Tensor], weights: Weights) -> Tensor:
    """The loss to minimise."""
    loss = parts["teacher"] + weights.gate * parts["gate"] + weights.utterance * parts["utterance"]
    loss = loss + weights.vq * (parts["rebuilt"] + weights.commitment * parts["commitment"])
    if weights.emotion and "emotion" in parts:
        loss = loss + weights.emotion * parts["emotion"]
    return loss


class Learner:
    """A student, its optimizer and its recent results."""

    def __init__(
        self, name: str, student: Student, learning_rate: float, weight_decay: float = 1e-2
    ) -> None:
        self.name, self.student, self.learning_rate = name, student, learning_rate
        self.parameters = student.trained()
        for parameter in student.parameters():
            parameter.requires_grad_(False)
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        self._forward: nn.Module = student
        device = self.parameters[0].device
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            learning_rate,
            weight_decay=weight_decay,
            fused=device.type == "cuda",
        )
        self.device, self.steps = device, 0
        self._seen: dict[tuple[str, ...], tuple[Tensor, int]] = {}

    def join(self) -> None:
        """Starts to train with the other processes, with averaged gradients.

        All take the first one's parameters and buffers. Codes stay equal by themselves; statistics
        of batch normalisation differ between processes until :meth:`agree`.
        """
        self._forward = DistributedDataParallel(
            self.student,
            broadcast_buffers=False,
            find_unused_parameters=True,  # a batch may lack one of the corpora with emotions
        )

    def agree(self, world: int) -> None:
        """Averages all processes' statistics of batch normalisation."""
        for name, buffer in self.student.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                torch.distributed.all_reduce(buffer)
                buffer /= world

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, except random numbers."""
        return {"student": self.student.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restores a state."""
        self.student.load_state_dict(state["student"])
        self.optimizer.load_state_dict(state["optimizer"])

    def step(self, batch: Batch, weights: Weights, rate: float, heads_only: bool = False) -> None:
        """Trains on a batch with a share of the learning rate; never waits for the device.

        If a gradient is not finite, all become zero, and the step changes nothing. With
        ``heads_only`` the model itself is not changed, only what is read from it.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * rate
        with torch.autocast(self.device.type, torch.bfloat16):
            parts = self._forward(batch, bool(weights.emotion))
        self.optimizer.zero_grad(set_to_none=True)
        loss_of(parts, weights).backward()
        if heads_only:
            for name, parameter in self.student.named_parameters():
                if name.startswith("model."):
                    parameter.grad = None
        norm = nn.utils.clip_grad_norm_(self.parameters, LARGEST_NORM, foreach=True)
        sound = norm.isfinite()
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.nan_to_num_(0.0, 0.0, 0.0)
        self.optimizer.step()
        self.steps += 1
        self._note({**parts, "skipped": (~sound).float(), "norm": norm})

    @torch.no_grad()
    def judged(self, batches: list[Batch]) -> dict[str, float]:
        """Means of the parts of the loss on other batches."""
        self.student.eval()
        with torch.autocast(self.device.type, torch.bfloat16):
            found = [self.student(batch, False) for batch in batches]
        self.student.train()
        return {n: float(torch.stack([f[n] for f in found]).mean()) for n in found[0]}

    def lately(self) -> dict[str, float]:
        """Means since the last call."""
        found: dict[str, float] = {}
        for names, (total, count) in self._seen.items():
            found |= dict(zip(names, (total / count).tolist(), strict=True))
        self._seen = {}
        return found

    def is_sound(self) -> bool:
        """Whether all exported weights are finite."""
        return all(bool(t.isfinite().all()) for t in self.student.shipped().values())

    def _note(self, parts: dict[str, Tensor]) -> None:
        names = tuple(parts)
        values = torch.stack([p.detach().float() for p in parts.values()]).nan_to_num(0.0, 0.0, 0.0)
        total, count = self._seen.get(names, (torch.zeros_like(values), 0))
        self._seen[names] = (total + values, count + 1)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1)
