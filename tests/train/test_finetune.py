"""Fine-tuning on custom emotions, from a folder to a bundle, with a small base model."""

import errno
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import edgeser
from tests.train.models import small_model
from tests.train.own import by_folders, by_table
from train.__main__ import main
from train.checkpoint import Checkpoint
from train.data.manifest import CorpusError, Recording, write_manifest
from train.export import export_bundle, frontend_onnx
from train.finetune.calibrate import confidence_of, few_enough, gates, temperature_of
from train.finetune.command import outputs
from train.finetune.figures import cautions
from train.finetune.fit import descended, settle
from train.finetune.heard import Frames, each_alone, in_sessions
from train.finetune.recipe import OwnRecipe
from train.finetune.recordings import Own, read_own
from train.finetune.replay import replayed
from train.sessions import Utterance

KNOWN = ("neutral", "anger", "sadness", "happiness")
LIMITS = {"speech": 0.5, "confidence": 0.0, "utterance": 0.0}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    facts = {
        "name": "start",
        "version": "1",
        "licence": "ODbL-1.0 AND Apache-2.0",
        "notices": ["Trained on something."],
    }
    path = tmp_path_factory.mktemp("parent") / "start.safetensors"
    Checkpoint(small_model(), 0.8, LIMITS, facts).save(path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int | str | None:
    command = ["train", "finetune", *map(str, arguments), "--threads", "1"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_other_emotions_make_a_bundle_with_a_report(
    tmp_path: Path,
    parent: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = by_folders(tmp_path / "data", ("calm", "anger", "surprised"), ("a", "b", "c"), 1)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("epochs: 3\nfolds: 2\nrooms: 2\nlongest: 3\n")
    out = tmp_path / "made" / "mine.edgeser"
    options = ["--data", data, "--out", out, "--start", parent, "--config", recipe]
    options += ["--epochs", "1", "--notice", "Voices: ours.", "--licence", "CC-BY-4.0"]
    assert not run(monkeypatch, *options)
    said = capsys.readouterr().out
    assert "9 recordings of 3 speakers: anger, calm, surprised" in said
    assert "too few to mean something" in said

    model = edgeser.load(out)
    assert model.labels == ("anger", "calm", "surprised")
    assert model.licence == "ODbL-1.0 AND Apache-2.0 AND CC-BY-4.0"
    assert model.notices[0] == "Trained on something."
    assert model.notices[-1] == "Voices: ours."
    assert "9 recordings by its maker (3 speakers)" in model.notices[1]

    effective = yaml.safe_load(out.with_suffix(".recipe.yaml").read_text())
    assert (effective["epochs"], effective["folds"]) == (1, 2)
    assert effective["learning_rate"] == 1e-3
    report = json.loads(out.with_suffix(".report.json").read_text())
    assert report["figures"]["first"]["count"] == 9
    assert report["by_speaker"]
    assert report["means_something"] == "nothing"
    page = out.with_suffix(".report.md").read_text()
    assert "too few to mean something" in page
    assert "Only 3 people speak" in page
    kept = Checkpoint.load(out.with_suffix(".safetensors"))
    for name, value in Checkpoint.load(parent).model.frontend.state_dict().items():
        assert (kept.model.frontend.state_dict()[name] == value).all()


def test_a_subset_with_unknown_speakers_is_judged_beside_the_parent(
    tmp_path: Path, parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = by_folders(tmp_path / "data", ("sadness", "anger"), ("",), 3)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("folds: 2\nrooms: 1\nepochs: 1\n")
    out = tmp_path / "mine.edgeser"
    options = ["--data", data, "--out", out, "--start", parent, "--config", recipe]
    assert not run(monkeypatch, *options)
    assert edgeser.load(out).labels == ("anger", "sadness")
    report = json.loads(out.with_suffix(".report.json").read_text())
    assert not report["by_speaker"]
    assert report["parent_figures"]["first"]["count"] == 6
    assert "say nothing of a stranger" in " ".join(report["cautions"])
    assert "asked for these emotions alone" in out.with_suffix(".report.md").read_text()


def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path,
    parent: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = by_folders(tmp_path / "data", ("sadness", "anger"), ("a", "b"), 1)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("folds: 2\nrooms: 1\nepochs: 1\n")
    out = tmp_path / "out" / "mine.edgeser"
    out.parent.mkdir()
    before = {path: f"of the last training: {path.suffix}" for path in outputs(out).values()}
    for path, text in before.items():
        path.write_text(text)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("train.finetune.command.write", full)  # the last of all
    options = ["--data", data, "--out", out, "--start", parent, "--config", recipe]
    assert run(monkeypatch, *options) == 1
    assert "could not be written in" in capsys.readouterr().err
    assert {path: path.read_text() for path in out.parent.iterdir()} == before


def test_recordings_of_the_parents_corpora_can_be_heard_again(tmp_path: Path, parent: Path) -> None:
    start = Checkpoint.load(parent)
    start.facts["training"] = {"judged_by": ["b"], "chosen_on": ["c"]}
    by_folders(tmp_path, ("anger", "fear"), ("a", "b", "c"), 2)
    found = [
        Recording(path, "emodb", path.parts[-2], path.parts[-3], "", "")
        for path in sorted(tmp_path.rglob("*.wav"))
    ]
    write_manifest(tmp_path / "manifest.csv", found)
    heard = replayed(start, tmp_path, ("calm", "anger"), OwnRecipe(rooms=1))
    assert {(u.speaker, u.corpus, u.target) for u in heard} == {("a", "replay", (0.0, 1.0))}
    assert len(heard) == 2
    assert len(replayed(start, tmp_path, ("calm", "anger"), OwnRecipe(rooms=1, replay=1))) == 1
    with pytest.raises(CorpusError, match="has no recordings of emodb, cremad with calm, joy"):
        replayed(start, tmp_path, ("calm", "joy"), OwnRecipe(rooms=1))


def test_a_mistake_is_one_line(
    tmp_path: Path,
    parent: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, "--data", tmp_path, "--start", parent, "--out", "mine.zip") == 1
    assert "expected a name that ends in .edgeser" in capsys.readouterr().err
    over = parent.with_suffix(".edgeser")
    assert run(monkeypatch, "--data", tmp_path, "--start", parent, "--out", over) == 1
    assert f"{parent} would be written over what is read" in capsys.readouterr().err
    assert parent.is_file()
    for option, text in (
        ("--out", "a\x1bb.edgeser"),
        ("--notice", "ours\n"),
        ("--notice", "\udcff"),
    ):
        others = ["--data", tmp_path, "--start", parent, "--out", tmp_path / "mine.edgeser"]
        assert run(monkeypatch, *others, option, text) == 1
        assert f"error: {option} is {Path(text).stem!r}, which has" in capsys.readouterr().err
    long = tmp_path / f"{'n' * 244}.edgeser"  # whose report has an even longer name
    assert run(monkeypatch, "--data", tmp_path, "--start", parent, "--out", long) == 1
    assert "File name too long" in capsys.readouterr().err
    (tmp_path / "no.safetensors").write_text("weights")
    start = tmp_path / "no.safetensors"
    assert run(monkeypatch, "--data", tmp_path, "--start", start, "--out", "mine.edgeser") == 1
    assert "no.safetensors is no checkpoint of a model" in capsys.readouterr().err
    full = Path("/dev/full/mine.edgeser")
    assert run(monkeypatch, "--data", tmp_path, "--start", parent, "--out", full) == 1
    assert "nothing can be written in /dev/full: " in capsys.readouterr().err
    out = tmp_path / "out" / "mine.edgeser"
    assert run(monkeypatch, "--data", tmp_path, "--start", parent, "--out", out) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"error: no recordings in {tmp_path}")
    assert "\n" not in error


def test_shared_labels_keep_their_rows() -> None:
    model = small_model()
    made = descended(model, ("happiness", "calm", "anger"))
    weight = model.head.weight
    assert (made.head.weight[0] == weight[KNOWN.index("happiness")]).all()
    assert (made.head.weight[2] == weight[KNOWN.index("anger")]).all()
    same, other = made.tacn.state_dict(), model.tacn.state_dict()
    assert all((same[name] == value).all() for name, value in other.items())


def test_few_recordings_move_the_parents_statistics_little() -> None:
    moved = {}
    for count in (2, 200):
        model = small_model()
        before = model.speaker.mean.clone()
        width = len(before)
        tokens = np.random.default_rng(0).normal(3.0, 2.0, (10, width)).astype(np.float32)
        settle(model, [Utterance((tokens,), (1.0, 0.0), "a", "mine")] * count)
        moved[count] = float((model.speaker.mean - before).norm())
        away = float((model.speaker.mean - tokens.mean(0)).norm())
        assert (away < moved[count]) == (count == 200)
        assert model.speaker.deviation.min() > 0
    assert moved[2] < moved[200] / 5


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    folder = by_table(tmp_path_factory.mktemp("own"), KNOWN[:2], ("a", "b"), 2)
    return read_own(folder, KNOWN)


def test_a_verdict_at_another_temperature_is_what_a_bundle_with_it_says(
    tmp_path: Path, own: Own
) -> None:
    model, facts = small_model(), {"name": "x", "version": "1", "licence": "CC0-1.0", "notices": []}
    graph = frontend_onnx(model.frontend)
    said = []
    for temperature in (1.0, 0.4):
        path = tmp_path / f"{temperature}.edgeser"
        export_bundle(model, path, facts, LIMITS, temperature, graph)
        loaded = edgeser.load(path)
        said.append([*each_alone(loaded, own), *in_sessions(loaded, own)])
    plain, cooled = said
    assert sum(len(f.speech) > 0 for f in plain) > len(plain) // 2
    for one, other in zip(plain, cooled, strict=True):
        assert one.recording == other.recording
        np.testing.assert_allclose(one.at(0.4), other.at(1.0), atol=1e-4)


def frames(truth: int, shares: tuple[float, ...], own: Own, number: int = 0) -> Frames:
    recording = replace(own.recordings[0], path=Path(f"{number}.wav"))
    return Frames(recording, np.array([shares] * 6), np.ones(6), 0.8, 0, truth)


def test_temperature_follows_from_how_often_the_answers_are_right(own: Own) -> None:
    sure, unsure = (0.9, 0.1), (0.55, 0.45)
    half = [frames(n % 2, sure, own) for n in range(20)]
    assert temperature_of(half) > 3
    assert temperature_of([frames(0, unsure, own) for _ in range(20)]) < 0.4
    nine = [frames(int(n == 0), sure, own) for n in range(10)]
    assert temperature_of(nine) == pytest.approx(1, abs=0.02)


def test_confidence_is_chosen_on_enough_answers_only(own: Own) -> None:
    right = [frames(0, (0.8, 0.2), own, n) for n in range(20)]
    wrong = [frames(1, (0.605, 0.395), own, n) for n in range(20, 40)]
    assert confidence_of(right + wrong, 1.0, 0.85, 0.5) == pytest.approx(0.61)
    assert confidence_of(right * 3, 1.0, 0.85, 0.5) == 0.5


def test_the_gate_stays_unless_it_misses_much() -> None:
    assert gates(0.98) == [0.98, 0.95, 0.9, 0.8, 0.7, 0.5]
    assert gates(0.8) == [0.8, 0.7, 0.5]
    assert few_enough(1, 4)
    assert not few_enough(2, 4)
    assert few_enough(5, 100)
    assert not few_enough(6, 100)


def report(**changes: object) -> dict[str, object]:
    return {
        "labels": ["a", "b"],
        "by_speaker": True,
        "speakers": 8,
        "counts": {k: {"recordings": 40, "speakers": 8} for k in "ab"},
        "figures": {"interval": [0.7, 0.8]},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "means", "said"),
    [
        ({}, "yes", ""),
        ({"speakers": 4}, "little", "Only 4 people"),
        ({"speakers": 2}, "nothing", "Only 2 people"),
        ({"by_speaker": False, "speakers": 0}, "nothing", "not known who speaks"),
        ({"by_speaker": False, "speakers": 1}, "nothing", "of one voice"),
        ({"figures": {"interval": [0.5, 0.6]}}, "nothing", "reaches chance"),
        ({"figures": {"interval": [0.55, 0.9]}}, "nothing", "is wide"),
        ({"counts": {"a": {"recordings": 15, "speakers": 4}}}, "little", "a \\(15\\)"),
        ({"counts": {"a": {"recordings": 9, "speakers": 4}}}, "nothing", "a \\(9\\)"),
        ({"counts": {"a": {"recordings": 50, "speakers": 1}}}, "nothing", "One speaker alone"),
    ],
)
def test_too_few_figures_are_called_so(changes: dict[str, object], means: str, said: str) -> None:
    found, why = cautions(report(**changes))
    assert found == means
    assert (why == []) == (means == "yes")
    assert re.search(said, " ".join(why))
