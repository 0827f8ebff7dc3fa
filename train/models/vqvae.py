"""VQ-VAE of a segment's spectrogram (paper, section 2.1, Eq. 1; van den Oord et al. 2017).

The encoder gives P vectors E_o; each is replaced by the nearest of K codes, which gives D_i; the
decoder reconstructs the spectrogram from D_i. Codes follow an exponential moving average of their
vectors, and unused codes restart from encoder outputs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from train.models.cnn import halving, normalised, patches


@dataclass(frozen=True)
class VQVAEConfig:
    """K codes of width D; the encoder's map is 2 (time) x 8 (frequency), so P = 16."""

    channels: tuple[int, int] = (32, 48)
    codes: int = 512
    code_width: int = 64
    decay: float = 0.99
    commitment: float = 0.25
    restart_below: float = 0.5
    """A code that is used less (moving average of vectors per batch) restarts."""

    @property
    def positions(self) -> int:
        return 16


class Encoder(nn.Module):
    """Normalised spectrogram (B, 32, 128) to E_o (B, P, D)."""

    receptive_field = 32
    delay = 0
    hop = 16

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        a, b = config.channels
        self.body = nn.Sequential(
            patches(a),  # 8 x 32
            halving(a, b),  # 4 x 16
            nn.Conv2d(b, config.code_width, 3, 2, 1),  # 2 x 8
        )

    def forward(self, spectrogram: Tensor) -> Tensor:
        grid: Tensor = self.body(spectrogram[:, None])
        return grid.flatten(2).transpose(1, 2)


class Codebook(nn.Module):
    """Nearest code (Eq. 1), with the straight-through gradient (Fig. 2)."""

    receptive_field = 1
    delay = 0
    hop = 1

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("codes", torch.randn(config.codes, config.code_width) * 0.1)
        # No code counts as used at first, so all start from the first batch.
        self.register_buffer("usage", torch.zeros(config.codes))
        self.register_buffer("total", self.codes.clone())
        self.codes: Tensor
        self.usage: Tensor
        self.total: Tensor

    def nearest(self, encoded: Tensor) -> Tensor:
        """E_o (..., D) to the index of the nearest code (...), the lowest one on ties."""
        flat = encoded.flatten(0, -2).to(self.codes.dtype)
        score = torch.addmm(self.codes.square().sum(-1), flat, self.codes.T, alpha=-2.0)
        index: Tensor = score.argmin(-1)
        return index.reshape(encoded.shape[:-1])

    def forward(self, encoded: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """E_o (B, P, D) to D_i (B, P, D), indices (B, P) and the commitment loss."""
        index = self.nearest(encoded.detach())
        quantised = self.codes[index]
        commitment = nn.functional.mse_loss(encoded, quantised)
        return encoded + (quantised - encoded).detach(), index, commitment

    @torch.no_grad()
    def update(self, encoded: Tensor, index: Tensor, weight: Tensor | None = None) -> None:
        """Moves codes towards their vectors; restarts unused ones.

        ``weight`` (B,) is 1, or 0 for rows to ignore. Nothing here waits for a GPU. Processes that
        train together count as one; codes restart as in the first process.
        """
        flat, chosen = encoded.reshape(-1, encoded.shape[-1]), index.reshape(-1)
        counts = torch.ones_like(flat[:, 0])
        if weight is not None:
            counts = weight.to(flat.dtype)[:, None].expand(encoded.shape[:-1]).reshape(-1)
        count = torch.zeros_like(self.usage).index_add_(0, chosen, counts)
        summed = torch.zeros_like(self.total).index_add_(0, chosen, flat * counts[:, None])
        together = torch.distributed.is_available() and torch.distributed.is_initialized()
        if together:
            torch.distributed.all_reduce(count)
            torch.distributed.all_reduce(summed)
        self.usage.lerp_(count, 1 - self.config.decay)
        self.total.lerp_(summed, 1 - self.config.decay)
        self.codes.copy_(self.total / (self.usage[:, None] + 1e-5))
        dead = (self.usage < self.config.restart_below)[:, None]
        # If all keys are different, the largest are a draw without repetition.
        keys = torch.rand_like(counts) + counts
        drawn = keys.topk(min(len(keys), self.config.codes)).indices
        fresh = flat[drawn.repeat(-(-self.config.codes // len(drawn)))[: self.config.codes]]
        if together:
            torch.distributed.broadcast(fresh, 0)
        self.codes.copy_(torch.where(dead, fresh, self.codes))
        self.usage.masked_fill_(dead[:, 0], 2.0)
        self.total.copy_(torch.where(dead, 2.0 * fresh, self.total))


class Decoder(nn.Module):
    """D_i (B, P, D) to the rebuilt spectrogram (B, 32, 128). Training only."""

    receptive_field = 1
    delay = 0
    hop = 1

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        a, b = config.channels

        def doubling(inputs: int, outputs: int) -> nn.Sequential:
            return normalised(nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), outputs)

        self.body = nn.Sequential(
            doubling(config.code_width, b),  # 4 x 16
            doubling(b, a),  # 8 x 32
            nn.ConvTranspose2d(a, 1, (4, 8), (4, 4), (0, 2)),  # 32 x 128
        )

    def forward(self, quantised: Tensor) -> Tensor:
        grid = quantised.transpose(1, 2).unflatten(2, (2, 8))
        rebuilt: Tensor = self.body(grid)
        return rebuilt[:, 0]


class VQVAE(nn.Module):
    """Encoder, codebook, decoder."""

    receptive_field = Encoder.receptive_field
    delay = 0
    hop = Encoder.hop

    def __init__(self, config: VQVAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.codebook = Codebook(config)
        self.decoder = Decoder(config)

    def forward(self, spectrogram: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Spectrogram (B, 32, 128) to its reconstruction, the loss, E_o and the chosen codes."""
        encoded = self.encoder(spectrogram)
        quantised, index, commitment = self.codebook(encoded)
        rebuilt = self.decoder(quantised)
        loss = nn.functional.mse_loss(rebuilt, spectrogram) + self.config.commitment * commitment
        return rebuilt, loss, encoded, index
