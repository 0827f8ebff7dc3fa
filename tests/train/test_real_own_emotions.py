"""Emotions that the bundled model lacks, trained from a few real recordings of four speakers."""

import json
import shutil
from pathlib import Path

import pytest

import edgeser
from train.__main__ import main
from train.checkpoint import Checkpoint
from train.data.manifest import read_manifest

ROOT = Path(__file__).parents[2]
PARENT = ROOT / "train" / "checkpoints" / "default.safetensors"
DATA = ROOT.parent / "shared" / "data"
EACH = 4
"""Recordings per emotion and speaker."""

pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="no real recordings: ../shared/data is absent"),
    pytest.mark.filterwarnings("ignore"),
]


def some(folder: Path) -> Path:
    """Boredom, fear and anger of four EmoDB speakers; the base model never heard them."""
    training = Checkpoint.load(PARENT).facts["training"]
    unheard = {*training["judged_by"], *training["chosen_on"]}
    kept: dict[tuple[str, str], int] = {}
    for r in read_manifest(DATA / "manifest.csv"):
        key = (r.emotion, r.speaker)
        wanted = r.emotion in ("boredom", "fear", "anger")
        if r.corpus == "emodb" and r.speaker in unheard and wanted and kept.get(key, 0) < EACH:
            kept[key] = kept.get(key, 0) + 1
            place = folder / r.emotion / r.speaker / r.path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(r.path, place)
    return folder


def test_new_emotions_are_told_apart_for_people_who_were_not_in_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "mine.edgeser"
    recipe.write_text("folds: 2\nrooms: 1\nepochs: 12\n")
    command = ["train", "finetune", "--data", str(some(tmp_path / "data")), "--out", str(out)]
    command += ["--start", str(PARENT), "--config", str(recipe), "--threads", "1"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code, capsys.readouterr().err
    report = json.loads(out.with_suffix(".report.json").read_text())
    assert report["speakers"] == 4
    assert report["figures"]["first"]["ua"] > 0.6  # chance is 0.33
    assert report["figures"]["first"]["missed"] <= 2
    model = edgeser.load(out)
    assert model.labels == ("anger", "boredom", "fear")
    assert model.licence == "ODbL-1.0 AND Apache-2.0"
    assert any("CREMA-D" in notice for notice in model.notices)
