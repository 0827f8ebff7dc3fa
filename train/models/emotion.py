"""The whole model: from segments of audio to emotions, one token per segment."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from train.models.cnn import CNN, CNNConfig
from train.models.gate import Gate, GateConfig
from train.models.level import UNSET, LevelConfig, decibels
from train.models.recurrent import CannotStreamError, Recurrent
from train.models.segment import (
    HOP,
    HOP_FRAMES,
    NARROW_FRAMES,
    NARROW_HOP_FRAMES,
    NARROW_START,
    SEGMENT,
    SEGMENT_FRAMES,
    Segments,
    Views,
    led_in,
)
from train.models.sequence import SequenceModel, sequence_model
from train.models.speaker import Speaker, SpeakerConfig
from train.models.tacn import TACN, TACNConfig
from train.models.vqvae import Codebook, Encoder, VQVAEConfig

LABELS = ("neutral", "anger", "sadness", "happiness")


@dataclass(frozen=True)
class ModelConfig:
    """Every size of the model in one place."""

    cnn: CNNConfig = field(default_factory=CNNConfig)
    vqvae: VQVAEConfig = field(default_factory=VQVAEConfig)
    tacn: TACNConfig = field(default_factory=TACNConfig)
    level: LevelConfig = field(default_factory=LevelConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    speaker: SpeakerConfig = field(default_factory=SpeakerConfig)
    labels: tuple[str, ...] = LABELS
    latent: bool = True
    """True for Fusion (R_d and R_l), false for Deep (only R_d)."""
    sequence: str = "tacn"
    """One of ``train.models.sequence.SEQUENCES``; the width is that of ``tacn``."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(d: dict[str, Any]) -> "ModelConfig":
        return ModelConfig(
            CNNConfig(**{**d["cnn"], "channels": tuple(d["cnn"]["channels"])}),
            VQVAEConfig(**{**d["vqvae"], "channels": tuple(d["vqvae"]["channels"])}),
            TACNConfig(**d["tacn"]),
            LevelConfig(**d["level"]),
            GateConfig(**d["gate"]),
            SpeakerConfig(**d["speaker"]),
            tuple(d["labels"]),
            d["latent"],
            d.get("sequence", "tacn"),  # missing in old checkpoints, which all have a TACN
        )


class FrontEnd(nn.Module):
    """What ONNX Runtime executes: segment and running level to R_d, E_o and new level."""

    receptive_field = SEGMENT
    delay = 0
    hop = HOP

    def __init__(self, config: ModelConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.views = Views(config.level)
        self.cnn = CNN(config.cnn, dropout)
        self.encoder = Encoder(config.vqvae)

    def forward(self, segment: Tensor, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Segment (B, 4224), level (B,) to deep (B, F), latent (B, P, D), level (B,)."""
        segments, level = self.views(segment, level)
        return *self.read(segments), level

    def read(self, segments: Segments) -> tuple[Tensor, Tensor]:
        """Views of N segments to deep (N, F) and latent (N, P, D)."""
        return self.cnn(segments), self.encoder(segments.spectrogram)


class Fusion(nn.Module):
    """R_d and R_l, concatenated, to the token x_t; E_o is quantised on the way (Eq. 1)."""

    receptive_field = 1
    delay = 0
    hop = 1

    def __init__(self, config: ModelConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.latent = config.latent
        self.codebook = Codebook(config.vqvae)
        width, flat = config.tacn.width, config.vqvae.positions * config.vqvae.code_width
        self.from_deep = nn.Linear(config.cnn.features, width)
        self.from_latent = nn.Linear(flat, width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, deep: Tensor, latent: Tensor) -> Tensor:
        """Deep (N, F), latent (N, P, D) to tokens (N, C)."""
        token: Tensor = self.from_deep(deep)
        if not self.latent:
            return token
        quantised = self.codebook.codes[self.codebook.nearest(latent)]
        # Drop whole positions: an incomplete code is useless.
        kept = self.dropout(torch.ones_like(quantised[..., :1]))
        latent_part: Tensor = self.from_latent((quantised * kept).flatten(1))
        return token + latent_part


class EmotionModel(nn.Module):
    """Front end, fusion, sequence model, head: audio to per-token logits of emotions and speech."""

    def __init__(self, config: ModelConfig | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config = config or ModelConfig()
        self.frontend = FrontEnd(config, dropout)
        self.fusion = Fusion(config, dropout)
        # Names of weights begin with the kind: tacn.layers.0.qkv, gru.cell.weight_ih_l0, ...
        setattr(self, config.sequence, sequence_model(config.sequence, config.tacn, dropout))
        self.gate = Gate(config.tacn.width, config.gate)
        self.speaker = Speaker(config.tacn.width, config.speaker)
        self.head = nn.Linear(config.tacn.width, len(config.labels))
        self.hop = HOP
        self.delay = self.sequence.delay * HOP
        self.receptive_field = SEGMENT + (self.sequence.receptive_field - 1) * HOP

    @property
    def sequence(self) -> SequenceModel:
        """The sequence model of any kind."""
        model = self._modules[self.config.sequence]
        assert isinstance(model, SequenceModel)
        return model

    @property
    def tacn(self) -> TACN:
        """The sequence model as a TACN, for bundles, kernels and the step graph.

        Raises CannotStreamError if it is of another kind.
        """
        model = self.sequence
        if isinstance(model, TACN):
            return model
        if isinstance(model, Recurrent) and model.bidirectional:
            why = "it reads an utterance from its end as well and cannot stream"
        else:
            why = "bundles and step graphs hold a TACN"
        raise CannotStreamError(
            f"a model with {self.config.sequence!r} for its sequence cannot be exported: {why}; "
            "it is a baseline for training"
        )

    def forward(self, waveform: Tensor) -> Tensor:
        """Whole recordings (B, samples) at 16 kHz to logits (B, ceil(samples / 2048), labels + 1).

        The last column is the gate's logit. Every token is used, speech or not, as in training on
        clips; :meth:`hear` computes what a stream does. Token n depends only on the audio before
        sample 2048 (n + 1).
        """
        return self.from_segments(self.frontend.views.of_streams(led_in(waveform)))

    def from_segments(self, segments: Segments, lengths: Tensor | None = None) -> Tensor:
        """Views of segments, (B, T) in front, to logits (B, T, labels + 1).

        ``lengths`` (B,) int64: number of tokens without padding (None: all); only bidirectional
        sequence models need them.
        """
        tokens = self.tokens_of(segments)
        sequence = self.sequence(self.speaker.standardised(tokens), lengths)
        both: Tensor = torch.cat([self.head(sequence), self.gate(tokens)[..., None]], -1)
        return both

    def tokens_of(self, segments: Segments) -> Tensor:
        """Views of segments, (B, T) in front, to raw tokens (B, T, C)."""
        flat = self.fusion(*self.frontend.read(segments.flat()))
        tokens: Tensor = flat.unflatten(0, segments.spectrogram.shape[:2])
        return tokens

    def sequence_of(self, segments: Segments, lengths: Tensor | None = None) -> Tensor:
        """The head's input: views of segments, (B, T) in front, to (B, T, C)."""
        tokens = self.speaker.standardised(self.tokens_of(segments))
        sequence: Tensor = self.sequence(tokens, lengths)
        return sequence

    @torch.no_grad()
    def hear(self, streams: Tensor, threshold: float, pause: int) -> tuple[Tensor, Tensor]:
        """Raw tokens (B, T, C) and gate logits (B, T) of whole streams, computed like in a stream.

        ``streams`` (B, 2176 + 2048 T) begin with zeros. A token whose score is at least
        ``threshold`` updates the running level; ``pause`` other tokens in a row reset it. Digital
        silence is not speech and clears the gate's memory.
        """
        views = self.frontend.views
        wide = views.spectrogram(streams)
        narrow = views.harmonics(streams[:, NARROW_START:])
        energy = views.level.frame_energy(wide).unfold(1, HOP_FRAMES, HOP_FRAMES)[:, 1:]
        heard = decibels(energy.mean(-1))
        wide = wide[..., 1:].unfold(1, SEGMENT_FRAMES, HOP_FRAMES).transpose(2, 3)
        narrow = narrow.unfold(1, NARROW_FRAMES, NARROW_HOP_FRAMES).transpose(2, 3)
        silent = (streams.unfold(1, SEGMENT, HOP) == 0).all(-1)
        least = math.log(threshold / (1 - threshold))
        level, quiet = torch.full_like(heard[:, 0], UNSET), torch.zeros_like(heard[:, 0])
        nothing = streams.new_zeros(len(streams), self.config.tacn.width)
        past = [nothing] * self.config.gate.memory
        tokens, scores = [], []
        for t in range(heard.shape[1]):
            seen = views.level.update(level, heard[:, t])
            each = seen[:, None, None]
            segments = Segments(
                views.level.normalise(wide[:, t], each), views.level.normalise(narrow[:, t], each)
            )
            token = self.fusion(*self.frontend.read(segments)).to(streams.dtype)
            score = self.gate.step(token, past).masked_fill(silent[:, t], -1e4)
            past = [p.masked_fill(silent[:, t, None], 0.0) for p in (token, *past)]
            past = past[: self.config.gate.memory]
            opened = score >= least
            quiet = torch.where(opened, 0.0, quiet + 1)
            level = torch.where(opened, seen, torch.where(quiet >= pause, UNSET, level))
            tokens.append(token)
            scores.append(score)
        return torch.stack(tokens, 1), torch.stack(scores, 1)

    @torch.no_grad()
    def offline(self, waveform: Tensor, threshold: float, pause: int) -> tuple[Tensor, Tensor]:
        """The output of a stream for one whole recording (1, samples) at 16 kHz.

        Emotion logits (T, L), zeros without speech, and the gate's logits (T,). The recording must
        begin with a non-zero sample and must not contain digital silence of a segment's length,
        because streams restart their segments there.
        """
        tokens, scores = self.hear(led_in(waveform), threshold, pause)
        opened = (scores[0] >= math.log(threshold / (1 - threshold))).tolist()
        logits = scores.new_zeros(len(opened), len(self.config.labels))
        heard, rows, quiet = self.speaker.fresh(1), list[int](), 0
        for t, is_open in enumerate([*opened, *[False] * pause]):
            quiet = 0 if is_open else quiet + 1
            if is_open:
                rows.append(t)
            if rows and quiet == pause:
                z = self.speaker.standardised(tokens[:, rows])
                logits[rows] = self.head(self.sequence(self.speaker(z, heard)))[0]
                heard = self.speaker.commit(heard, z.mean(1), torch.tensor([len(rows)]))
                rows = []
        return logits, scores[0]
