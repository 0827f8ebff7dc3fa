"""A model's verdicts in sessions, after a number of utterances of the same speaker."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from train.models.emotion import EmotionModel
from train.models.speaker import SpeakerConfig
from train.session_training import verdicts
from train.sessions import Utterance


@dataclass(frozen=True)
class Answers:
    """Logits (N, T, L) of the tokens of utterances, a mask of existing tokens, and the truth."""

    logits: Tensor
    inside: Tensor
    truth: NDArray[np.int64]

    def verdicts(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """Verdicts' probabilities (N, L), with all logits divided by ``temperature``."""
        found: NDArray[np.float64] = (
            verdicts(self.logits / temperature, self.inside).double().numpy()
        )
        return found

    def loss(self, temperature: float) -> float:
        """Mean negative log-likelihood of the truth."""
        right = self.verdicts(temperature)[np.arange(len(self.truth)), self.truth]
        return -float(np.log(right + 1e-9).mean())


@torch.no_grad()
def answers(
    model: EmotionModel,
    utterances: Sequence[Utterance],
    before: int,
    config: SpeakerConfig | None = None,
    seed: int = 0,
    mood: str = "any",
) -> Answers:
    """Verdicts on every utterance, after ``before`` others of its speaker.

    The others are drawn at random; with ``mood="same"`` all have the utterance's emotion.
    """
    rng, speaker = np.random.default_rng(seed), model.speaker
    kept, speaker.config = speaker.config, config or speaker.config
    own: dict[str, list[Utterance]] = {}
    for one in utterances:
        if len(one.passes[0]):
            own.setdefault(one.speaker, []).append(one)
    found, truth = [], []
    everyone = [u for spoken in own.values() for u in spoken]
    for first in range(0, len(everyone), 64):
        rows = []
        for one in everyone[first : first + 64]:
            others = [u for u in own[one.speaker] if u is not one]
            if mood == "same":
                others = [u for u in others if u.label == one.label] or others
            heard = speaker.fresh(1)
            picks = rng.choice(len(others), min(before, len(others)), replace=False)
            for pick in picks:
                tokens = torch.from_numpy(others[pick].passes[0])
                z = speaker.standardised(tokens).mean(0, keepdim=True)
                heard = speaker.commit(heard, z, torch.tensor([len(tokens)]))
            z = speaker.standardised(torch.from_numpy(one.passes[0]))
            rows.append(speaker(z[None], heard)[0])
            truth.append(one.label)
        lengths = torch.tensor([len(r) for r in rows])
        x = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        found.append((model.head(model.sequence(x)), torch.arange(x.shape[1]) < lengths[:, None]))
    speaker.config = kept
    longest = max(logits.shape[1] for logits, _ in found)
    return Answers(
        torch.cat([nn.functional.pad(a, (0, 0, 0, longest - a.shape[1])) for a, _ in found]),
        torch.cat([nn.functional.pad(b, (0, longest - b.shape[1])) for _, b in found]),
        np.array(truth),
    )
