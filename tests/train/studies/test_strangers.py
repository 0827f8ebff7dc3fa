"""Temperature and confidence threshold, chosen on held-out corpora."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from train.answers import Answers  # noqa: E402
from train.studies.strangers import BEFORE, choose, strangers_page  # noqa: E402

LABELS = 4


def answers_of(count: int, boldness: float, seed: int) -> Answers:
    """Answers whose truth is drawn from their own probabilities; then the logits are multiplied."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (count, 1, LABELS))
    shares = np.exp(logits[:, 0])
    shares /= shares.sum(1, keepdims=True)
    truth = np.array([rng.choice(LABELS, p=p) for p in shares])
    inside = torch.ones(count, 1, dtype=torch.bool)
    return Answers(torch.from_numpy(boldness * logits).float(), inside, truth)


@pytest.fixture
def found() -> dict[str, dict[int, Answers]]:
    """Logits of both corpora are twice too large; one corpus is much larger."""
    return {
        name: {n: answers_of(count, 2.0, n + count) for n in BEFORE}
        for name, count in (("emodb", 2_000), ("cremad", 6_000))
    }


def test_what_is_too_bold_is_cooled(found: dict[str, dict[int, Answers]]) -> None:
    assert choose(found).temperature == pytest.approx(2.0, abs=0.1)


def test_enough_labels_are_right_from_the_threshold_on(
    found: dict[str, dict[int, Answers]],
) -> None:
    choice = choose(found)
    assert 0.3 < choice.confidence < 0.9
    for threshold, enough in ((choice.confidence, True), (choice.confidence - 0.05, False)):
        shares = []
        for by in found.values():
            for n in BEFORE[1:]:
                sure = by[n].verdicts(choice.temperature)
                named = sure.max(1) >= threshold
                shares.append((sure.argmax(1) == by[n].truth)[named].mean())
        assert (np.mean(shares) >= 0.69) is np.bool_(enough)


def test_a_first_utterance_does_not_choose_the_confidence(
    found: dict[str, dict[int, Answers]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.studies.strangers.likeliest_temperature", lambda _: 2.0)
    before = choose(found)
    for by in found.values():
        wrong = (by[0].truth + 1) % LABELS
        by[0] = Answers(by[0].logits, by[0].inside, wrong)
    assert choose(found) == before
    for by in found.values():
        by[3] = Answers(by[3].logits, by[3].inside, (by[3].truth + 1) % LABELS)
    assert choose(found).confidence > before.confidence


def test_the_page_has_a_row_for_each_corpus_and_number_heard(
    found: dict[str, dict[int, Answers]],
) -> None:
    page = strangers_page(found, 7)
    rows = [line for line in page.splitlines() if line.startswith(("| EmoDB", "| CREMA-D"))]
    assert len(rows) == 2 * len(BEFORE)
    assert all(line.count("|") == 9 for line in rows)
