"""All settings of a training on your own recordings, and the YAML file that can change them."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from train.data.manifest import CorpusError
from train.files import atomic_write


@dataclass(frozen=True)
class OwnRecipe:
    """Settings of :func:`train.finetune.run.finetune`; the guide for own data explains them."""

    labels: tuple[str, ...] = ()
    """Emotions to distinguish, of those in the recordings. Empty: all."""
    epochs: int = 20
    """Number of epochs; an epoch draws about as many utterances as there are training
    recordings."""
    learning_rate: float = 1e-3
    """Peak of AdamW, with a one-cycle schedule."""
    weight_decay: float = 3e-2
    dropout: float = 0.2
    """Dropout in the sequence model."""
    token_dropout: float = 0.1
    label_smoothing: float = 0.1
    sessions: int = 4
    """Sessions per step, each of one speaker."""
    longest: int = 12
    """Most utterances in a session."""
    tokens: int = 48
    """Most tokens of an utterance: 6 s of speech."""
    jitter: float = 0.25
    """Deviation of a random offset per session, in units of the training's deviations."""
    noise: float = 0.2
    """The same per token."""
    rooms: int = 3
    """Simulated rooms for each recording; the first is the unchanged recording."""
    folds: int = 5
    """Parts of the speakers; each is tested with a model that was not trained on it."""
    right: float = 0.85
    """Target share of right labels; determines the confidence threshold."""
    replay: int = 600
    """Most recordings of the parent's corpora to train with, if ``--replay`` gives any."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises CorpusError for a value out of range."""
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise CorpusError(f"{name} is {value:g}: expected {low:g} to {high:g}")


RANGES: dict[str, tuple[float, float]] = {
    "epochs": (1, 100_000),
    "learning_rate": (1e-7, 1.0),
    "weight_decay": (0, 10),
    "dropout": (0, 0.9),
    "token_dropout": (0, 0.9),
    "label_smoothing": (0, 0.9),
    "sessions": (1, 256),
    "longest": (1, 64),
    "tokens": (4, 240),
    "jitter": (0, 4),
    "noise": (0, 4),
    "rooms": (1, 16),
    "folds": (2, 20),
    "right": (0, 1),
    "replay": (0, 100_000),
    "seed": (0, 2**31 - 1),
}


def read_recipe(path: Path) -> OwnRecipe:
    """Reads a recipe from a YAML file: one setting per line, defaults for the rest.

    Raises CorpusError if the file is missing or not YAML, and for unknown settings or values of the
    wrong type.
    """
    if not path.is_file():
        raise CorpusError(f"no recipe at {path}: expected a YAML file with a setting a line")
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"cannot read the recipe {path}: {reason}") from error
    if table is None:
        return OwnRecipe()
    if not isinstance(table, dict):
        raise CorpusError(f"{path} is no recipe: expected lines like 'epochs: 20'")
    try:
        return replace(OwnRecipe(), **_checked(table))
    except CorpusError as error:
        raise CorpusError(f"{path}: {error}") from None


def write_recipe(recipe: OwnRecipe, path: Path) -> None:
    """Writes a recipe that :func:`read_recipe` reads back unchanged."""
    table = {**asdict(recipe), "labels": list(recipe.labels)}
    text = yaml.safe_dump(table, sort_keys=False, allow_unicode=True)
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _checked(table: Mapping[Any, Any]) -> dict[str, Any]:
    known = {field.name: field.default for field in fields(OwnRecipe)}
    checked = {}
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            meant = f": did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
            raise CorpusError(f"there is no setting {str(key)!r}{meant}")
        checked[key] = _value(key, value, known[key])
    return checked


def _value(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise CorpusError(f"{name} is {value!r}: expected a list of names, as in [calm, angry]")
    if isinstance(default, int):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise CorpusError(f"{name} is {value!r}: expected a whole number")
    # YAML 1.1 reads 1e-3 as text; only 1.0e-3 is a number.
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise CorpusError(f"{name} is {value!r}: expected a number") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CorpusError(f"{name} is {value!r}: expected a number")
    return float(value)
