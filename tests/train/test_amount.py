"""The study of training-set size: test speakers, and figures on its page."""

import json
from pathlib import Path

from tests.train.models import small_model
from train.checkpoint import Checkpoint
from train.data.manifest import Recording
from train.finetune.amount import Amount, page
from train.finetune.recipe import OwnRecipe

MODEL = Path(__file__).parents[2] / "docs" / "model"


def test_the_page_says_what_was_found() -> None:
    found = json.loads((MODEL / "own-data.json").read_text(encoding="utf-8"))
    assert page(found) == (MODEL / "own-data.md").read_text(encoding="utf-8")


def test_nobody_judges_whom_the_parent_has_heard() -> None:
    training = {"corpora": {"known": 2}, "judged_by": ["a"], "chosen_on": ["b"]}
    parent = Checkpoint(small_model(), facts={"training": training})
    recordings = [Recording(Path(s), "known", s, "anger", "", "") for s in "abcd"]
    for corpus, judges in (("known", {"a", "b"}), ("new", None)):
        study = Amount(Path(), parent, corpus, OwnRecipe())
        found, others = study.divided(recordings)
        assert found | others == set("abcd")
        assert not found & others
        assert len(found) == 2
        assert judges is None or found == judges
