"""Sessions: several utterances of one speaker and microphone, in any mix of emotions.

Tokens come from a finished front end, normalised by what a stream would know about the speaker at
each utterance. So a sequence model learns how reliable these statistics are at the first utterance
and at the tenth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeser.reference.verdict import RAMP_FRAMES
from train.models.speaker import Speaker


@dataclass(frozen=True)
class Utterance:
    """One recording as tokens of a finished front end and gate, in several simulated rooms.

    Each of ``passes`` (T, C) float32 contains the raw tokens of speech. The same pass of one
    speaker's recordings has the same room.
    """

    passes: tuple[NDArray[np.float32], ...]
    target: tuple[float, ...]
    speaker: str
    corpus: str

    @property
    def label(self) -> int:
        """The most likely emotion."""
        return int(np.argmax(self.target))


@dataclass(frozen=True)
class SessionRecipe:
    """Settings of the training on sessions."""

    steps: int = 200
    sessions: int = 10
    """Sessions per batch."""
    longest: int = 12
    """Most utterances in a session."""
    tokens: int = 48
    """Most tokens of an utterance."""
    learning_rate: float = 1e-3
    weight_decay: float = 3e-2
    dropout: float = 0.2
    token_dropout: float = 0.1
    label_smoothing: float = 0.1
    pooled: bool = True
    """Learn the answers of a readout of pooled tokens (:mod:`train.pooled`) instead of the labels:
    better on corpora left out (``docs/model/distillation.md``)."""
    centred: float = 0.5
    """Share of sessions from which the corpus's own mean is subtracted."""
    jitter: float = 0.25
    """Deviation of a random offset per session, in units of the training's deviations."""
    noise: float = 0.2
    """The same per token."""
    seed: int = 0


class Sessions:
    """Draws sessions. Owns its random generator."""

    def __init__(self, utterances: Sequence[Utterance], recipe: SessionRecipe) -> None:
        self.recipe, self.rng = recipe, np.random.default_rng(recipe.seed)
        self.by: dict[str, dict[str, dict[int, list[Utterance]]]] = {}
        for one in utterances:
            moods = self.by.setdefault(one.corpus, {}).setdefault(one.speaker, {})
            moods.setdefault(one.label, []).append(one)

    def __call__(self) -> tuple[list[list[tuple[Utterance, int]]], list[str]]:
        """Sessions of (utterance, pass), and the corpus of each."""
        rng, drawn, corpora = self.rng, [], []
        for _ in range(self.recipe.sessions):
            corpus = str(rng.choice(sorted(self.by)))
            speakers = self.by[corpus]
            moods = speakers[str(rng.choice(sorted(speakers)))]
            shares = rng.dirichlet(np.full(len(moods), rng.choice((0.3, 1.0, 5.0))))
            length = int(rng.integers(1, self.recipe.longest + 1))
            room = int(rng.integers(1 << 30))
            session = []
            for mood in rng.choice(sorted(moods), length, p=shares):
                one = moods[mood][int(rng.integers(len(moods[mood])))]
                session.append((one, room % len(one.passes)))
            drawn.append(session)
            corpora.append(corpus)
        return drawn, corpora


@dataclass(frozen=True)
class Batch:
    """N utterances of up to T tokens."""

    x: Tensor
    """(N, T, C): tokens as the sequence model sees them."""
    inside: Tensor
    """(N, T) bool: which tokens exist."""
    target: Tensor
    """(N, L)."""

    @property
    def ramp(self) -> Tensor:
        """(N, T): weight of each token in a verdict."""
        weight = self.inside.float()
        return weight * (weight.cumsum(1) / RAMP_FRAMES).clamp(max=1)


class Batches:
    """Draws sessions and makes batches from them. Owns its random generators.

    ``offsets``: the corpora's own token means, relative to the training's, in its deviations.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        recipe: SessionRecipe,
        speaker: Speaker,
        offsets: Mapping[str, Tensor],
    ) -> None:
        self.recipe, self.speaker = recipe, speaker
        self.sessions = Sessions(utterances, recipe)
        self.rng = np.random.default_rng(recipe.seed + 1)
        self.offsets = offsets

    def __call__(self) -> Batch:
        """All utterances of some sessions."""
        recipe, speaker = self.recipe, self.speaker
        rows, targets = list[Tensor](), []
        for session, corpus in zip(*self.sessions(), strict=True):
            offset = recipe.jitter * torch.randn(len(speaker.mean))
            if self.rng.random() < recipe.centred:
                offset = offset - self.offsets[corpus]
            heard = speaker.fresh(1)
            for one, room in session:
                tokens = one.passes[room][: recipe.tokens]
                if not len(tokens):
                    continue
                z = speaker.standardised(torch.from_numpy(tokens)) + offset
                rows.append(speaker(z[None], heard)[0])
                targets.append(one.target)
                with torch.no_grad():
                    length = torch.tensor([len(tokens)])
                    heard = speaker.commit(heard, z.mean(0, keepdim=True), length)
        lengths = torch.tensor([len(row) for row in rows])
        return Batch(
            nn.utils.rnn.pad_sequence(rows, batch_first=True),
            torch.arange(int(lengths.max())) < lengths[:, None],
            torch.tensor(targets, dtype=torch.float32),
        )
