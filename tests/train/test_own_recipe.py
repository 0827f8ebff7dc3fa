"""The recipe in YAML, and the licence that follows from a parent's."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from train.data.manifest import CorpusError
from train.finetune.licence import licence_of, notices_of
from train.finetune.recipe import OwnRecipe, read_recipe, write_recipe

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "own-data.md"


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recipe_comes_back_as_it_was_written(tmp_path: Path) -> None:
    recipe = OwnRecipe(labels=("génée", "calm"), epochs=7, learning_rate=3e-5, seed=4)
    write_recipe(recipe, tmp_path / "recipe.yaml")
    assert read_recipe(tmp_path / "recipe.yaml") == recipe


def test_the_guides_recipe_is_all_of_the_default(tmp_path: Path) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert set(yaml.safe_load(block)) == set(asdict(OwnRecipe()))
    assert read_recipe(written(tmp_path, block)) == OwnRecipe()


def test_what_a_recipe_leaves_out_has_its_default(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, "")) == OwnRecipe()
    assert read_recipe(written(tmp_path, "epochs: 5\n")) == replace(OwnRecipe(), epochs=5)
    # YAML takes 1e-4 for text: a user means a number.
    assert read_recipe(written(tmp_path, "learning_rate: 1e-4")).learning_rate == 1e-4
    assert read_recipe(written(tmp_path, "dropout: 0")).dropout == 0.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch: 5", "there is no setting 'epoch': did you mean 'epochs'?"),
        ("colour: red", "there is no setting 'colour'; there are labels, epochs,"),
        ("epochs: many", "epochs is 'many': expected a whole number"),
        ("epochs: 1.5", "epochs is 1.5: expected a whole number"),
        ("epochs: true", "epochs is True: expected a whole number"),
        ("learning_rate: fast", "learning_rate is 'fast': expected a number"),
        ("learning_rate: .nan", "learning_rate is nan: expected a number"),
        ("learning_rate: 7", "learning_rate is 7: expected 1e-07 to 1"),
        ("labels: calm", "labels is 'calm': expected a list of names"),
        ("- epochs", "is no recipe: expected lines like 'epochs: 20'"),
        ("epochs: [", "cannot read the recipe"),
        ("[" * 5_000, "cannot read the recipe"),
        ("seed: " + "9" * 5_000, "cannot read the recipe"),
        ("!!python/object:os.system {}", "cannot read the recipe"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(CorpusError) as refused:
        read_recipe(path)
    assert said in str(refused.value)
    assert str(path) in str(refused.value)


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no recipe at .*none\.yaml: expected a YAML file"):
        read_recipe(tmp_path / "none.yaml")


def test_the_licence_is_the_parents() -> None:
    parent = "ODbL-1.0 AND Apache-2.0"
    assert licence_of(parent, None) == parent
    assert licence_of(parent, "CC-BY-4.0") == f"{parent} AND CC-BY-4.0"
    assert licence_of(parent, "Apache-2.0 AND CC0-1.0") == f"{parent} AND CC0-1.0"
    assert licence_of("Apache-2.0", "proprietary") == "Apache-2.0 AND LicenseRef-Proprietary"
    with pytest.raises(CorpusError, match="the parent names no licence"):
        licence_of("", None)


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("proprietary", "cannot be 'proprietary': .* stays under ODbL-1.0"),
        ("LicenseRef-Proprietary", "stays under ODbL-1.0"),
        ("CC-BY-ND-4.0", "must not be made into anything else"),
        ("CC-BY-NC-ND-4.0", "must not be made into anything else"),
        ("cc-by-nd-4.0", "must not be made into anything else"),
        ("all mine!", "is no licence's SPDX name: expected one like CC-BY-4.0"),
        ("", "no licence"),
    ],
)
def test_a_licence_that_cannot_be_is_refused(added: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        licence_of("ODbL-1.0 AND Apache-2.0", added)


def test_notices_are_the_parents_and_what_is_added() -> None:
    parent = {"name": "default", "version": "2", "notices": ["Trained on EmoDB."]}
    made = "Trained further from default 2, on 12 recordings by its maker (3 speakers)."
    assert notices_of(parent, 12, 3, ["Voices: ours.", "Trained on EmoDB."]) == [
        "Trained on EmoDB.",
        made,
        "Voices: ours.",
    ]
    assert notices_of({}, 12, 0, []) == [
        "Trained further from a model, on 12 recordings by its maker."
    ]
