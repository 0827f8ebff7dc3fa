"""Sessions: several utterances of one speaker through one microphone, in moods of any proportion.

The sequence model and the head learn on tokens of a finished front end, normalised by what a stream
would know of the speaker at each utterance. So they learn what these statistics are worth at the
first utterance and at the tenth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgeser.reference.verdict import RAMP_FRAMES
from train.models.emotion import EmotionModel
from train.models.speaker import Speaker, SpeakerConfig


@dataclass(frozen=True)
class Utterance:
    """One recording as a finished front end and gate hear it, in several rooms.

    Each of ``passes`` (T, C) float32 holds the raw tokens that were speech; the same pass of one
    speaker's recordings is the same room.
    """

    passes: tuple[NDArray[np.float32], ...]
    target: tuple[float, ...]
    speaker: str
    corpus: str

    @property
    def label(self) -> int:
        """The likeliest emotion."""
        return int(np.argmax(self.target))


@dataclass(frozen=True)
class SessionRecipe:
    """Settings of the training on sessions."""

    steps: int = 800
    sessions: int = 16
    """In a batch."""
    longest: int = 12
    """Utterances in a session, at most."""
    tokens: int = 48
    """Of an utterance, at most."""
    learning_rate: float = 1e-3
    weight_decay: float = 3e-2
    dropout: float = 0.2
    token_dropout: float = 0.1
    label_smoothing: float = 0.1
    centred: float = 0.5
    """Share of sessions whose corpus's own mean is taken off: an offset that inference drops."""
    jitter: float = 0.25
    """Deviation of a random offset of a whole session, in the training's deviations."""
    noise: float = 0.2
    """The same of every token."""
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


def measured(
    speaker: Speaker, utterances: Sequence[Utterance], neutral: int
) -> dict[str, NDArray[np.float32]]:
    """Set the speaker's buffers from training utterances; return each corpus's mean (raw).

    Corpora count the same, whatever their size. ``neutral`` is the label that calibration asks for.
    """
    corpora = sorted({u.corpus for u in utterances})
    tokens = {
        c: np.concatenate([p for u in utterances if u.corpus == c for p in u.passes if len(p)])
        for c in corpora
    }
    means = {c: t.mean(0) for c, t in tokens.items()}
    mean = np.mean(list(means.values()), axis=0)
    deviation = np.sqrt(np.mean([t.var(0) for t in tokens.values()], axis=0)) + 1e-3
    within, neutrals = [], []
    for name in sorted({(u.corpus, u.speaker) for u in utterances}):
        own = [u for u in utterances if (u.corpus, u.speaker) == name]
        spoken = [u for u in own if len(u.passes[0])]
        z = np.array([(u.passes[0].mean(0) - mean) / deviation for u in spoken])
        if len(z) < 8:
            continue
        within.append(z.var(0, ddof=1))
        # Every mood counts the same, so that the measure of a voice is not what it said most.
        labels = np.array([u.label for u in spoken])
        centre = np.mean([z[labels == k].mean(0) for k in np.unique(labels)], axis=0)
        if (labels == neutral).any():
            neutrals.append(z[labels == neutral].mean(0) - centre)
    speaker.mean.copy_(torch.from_numpy(mean))
    speaker.deviation.copy_(torch.from_numpy(deviation))
    speaker.between.copy_(torch.from_numpy(np.mean(within, axis=0).astype(np.float32)))
    speaker.neutral.copy_(torch.from_numpy(np.mean(neutrals, axis=0).astype(np.float32)))
    return means


def verdicts(logits: Tensor, inside: Tensor) -> Tensor:
    """Probabilities of utterances (B, L) from their tokens' logits (B, T, L), as a stream's."""
    weight = inside.float()
    weight = weight * (weight.cumsum(1) / RAMP_FRAMES).clamp(max=1)
    total = weight.sum(1, keepdim=True).clamp(min=1e-6)
    return (logits.softmax(-1) * weight[..., None]).sum(1) / total


def train_sessions(
    model: EmotionModel,
    utterances: Sequence[Utterance],
    recipe: SessionRecipe,
    speaker: SpeakerConfig | None = None,
    report: int = 0,
) -> None:
    """Train sequence model, head and ``speaker.known`` of a model whose front end is finished."""
    torch.manual_seed(recipe.seed)
    model.speaker.config = replace(speaker or model.speaker.config, adapt=True)
    labels = model.config.labels
    neutral = labels.index("neutral") if "neutral" in labels else 0
    means = measured(model.speaker, utterances, neutral)
    offsets = {
        c: (torch.from_numpy(m) - model.speaker.mean) / model.speaker.deviation
        for c, m in means.items()
    }
    trained = [*model.sequence.parameters(), *model.head.parameters(), model.speaker.known]
    for layer in getattr(model.sequence, "layers", []):
        layer.dropout.p = recipe.dropout
    optimizer = torch.optim.AdamW(trained, recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps, pct_start=0.15
    )
    draw, rng = Sessions(utterances, recipe), np.random.default_rng(recipe.seed + 1)
    model.sequence.train()
    losses = []
    for step in range(recipe.steps):
        sessions, corpora = draw()
        x, inside, target = _batch(model, sessions, corpora, offsets, recipe, rng)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model.head(model.sequence(nn.functional.dropout(x, recipe.token_dropout)))
        logits = logits.float()
        smooth = recipe.label_smoothing
        goal = target * (1 - smooth) + smooth / target.shape[1]
        ramp = inside.float()
        ramp = ramp * (ramp.cumsum(1) / RAMP_FRAMES).clamp(max=1)
        each = -(goal[:, None] * logits.log_softmax(-1)).sum(-1)
        loss = 0.5 * (each * ramp).sum() / ramp.sum()
        whole = -(goal * (verdicts(logits, inside) + 1e-6).log()).sum(1)
        loss = loss + 0.5 * whole.mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 5.0)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if report and (step + 1) % report == 0:
            print(f"{step + 1}/{recipe.steps} loss {np.mean(losses[-report:]):.3f}", flush=True)
    model.eval()


def _batch(
    model: EmotionModel,
    sessions: list[list[tuple[Utterance, int]]],
    corpora: list[str],
    offsets: dict[str, Tensor],
    recipe: SessionRecipe,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised tokens (N, T, C) of all utterances of all sessions, which exist, targets."""
    speaker, rows, targets = model.speaker, [], []
    for session, corpus in zip(sessions, corpora, strict=True):
        width = len(speaker.mean)
        offset = recipe.jitter * torch.randn(width)
        if rng.random() < recipe.centred:
            offset = offset - offsets[corpus]
        heard = speaker.fresh(1)
        for one, room in session:
            tokens = one.passes[room][: recipe.tokens]
            if not len(tokens):
                continue
            z = speaker.standardised(torch.from_numpy(tokens)) + offset
            x = speaker(z[None], heard)[0]
            rows.append(x + recipe.noise * torch.randn_like(x))
            targets.append(one.target)
            with torch.no_grad():
                heard = speaker.commit(heard, z.mean(0, keepdim=True), torch.tensor([len(tokens)]))
    longest = max(len(r) for r in rows)
    x = torch.zeros(len(rows), longest, len(speaker.mean))
    x = torch.stack([nn.functional.pad(r, (0, 0, 0, longest - len(r))) for r in rows])
    inside = torch.arange(longest) < torch.tensor([len(r) for r in rows])[:, None]
    return x, inside, torch.tensor(targets, dtype=torch.float32)


@dataclass(frozen=True)
class Answers:
    """On utterances: logits (N, T, L) of their tokens, which of these exist, and the truth."""

    logits: Tensor
    inside: Tensor
    truth: NDArray[np.int64]

    def verdicts(self, temperature: float = 1.0) -> NDArray[np.float64]:
        """Probabilities (N, L) with all logits divided by ``temperature``."""
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
    """On every utterance, after ``before`` others of its speaker.

    The others are drawn at random; with ``mood="same"`` all of them have the utterance's own.
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
        longest = int(lengths.max())
        x = torch.stack([nn.functional.pad(r, (0, 0, 0, longest - len(r))) for r in rows])
        found.append((model.head(model.sequence(x)), torch.arange(longest) < lengths[:, None]))
    speaker.config = kept
    longest = max(logits.shape[1] for logits, _ in found)
    return Answers(
        torch.cat([nn.functional.pad(a, (0, 0, 0, longest - a.shape[1])) for a, _ in found]),
        torch.cat([nn.functional.pad(b, (0, longest - b.shape[1])) for _, b in found]),
        np.array(truth),
    )


def judge_sessions(
    model: EmotionModel,
    utterances: Sequence[Utterance],
    before: int,
    config: SpeakerConfig | None = None,
    seed: int = 0,
    mood: str = "any",
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Verdicts (N, L) on every utterance after ``before`` others of its speaker, and the truth."""
    found = answers(model, utterances, before, config, seed, mood)
    return found.verdicts(), found.truth
