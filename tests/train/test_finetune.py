"""Training on with a small folder, as a user would."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

import edgeser
from tests.train.models import small_model, voice
from train.__main__ import main
from train.checkpoint import Checkpoint
from train.data.manifest import CorpusError
from train.finetune import held_out, own_recordings

LABELS = ("neutral", "anger", "sadness", "happiness")
pytestmark = pytest.mark.filterwarnings("ignore")


def write_folder(folder: Path, table: bool) -> Path:
    """Four emotions of four speakers, in folders or with a CSV."""
    rows = ["path,corpus,speaker,emotion"]
    for i in range(16):
        emotion = LABELS[i % 4]
        place = folder / ("sounds" if table else emotion)
        place.mkdir(parents=True, exist_ok=True)
        sound = voice(0.6, seed=i)[0].numpy()
        soundfile.write(place / f"{i}.wav", np.diff(sound, n=i % 4), 16_000)
        rows.append(f"sounds/{i}.wav,mine,s{i // 4},{emotion}")
    if table:
        (folder / "list.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("table", [False, True])
def test_a_folder_makes_a_bundle_that_loads(
    tmp_path: Path, table: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"name": "start", "version": "1", "licence": "Apache-2.0", "notices": ["x"]}
    Checkpoint(small_model(), facts=facts).save(tmp_path / "start.safetensors")
    data = write_folder(tmp_path / "data", table)
    out = tmp_path / "mine.edgeser"
    command = ["train", "finetune", "--data", str(data), "--out", str(out), "--epochs", "2"]
    command += ["--start", str(tmp_path / "start.safetensors"), "--work", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "UA" in said
    assert ("speakers it was not trained on" in said) == table
    model = edgeser.load(out)
    assert model.labels == LABELS
    made = Checkpoint.load(out.with_suffix(".safetensors")).facts
    assert made["training"]["recordings"] + made["training"]["validation"]["recordings"] == 16
    assert made["notices"] == ["x"]


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no folder .*nowhere: expected your recordings"):
        own_recordings(tmp_path / "nowhere", LABELS)
    (tmp_path / "anger").mkdir()
    soundfile.write(tmp_path / "anger" / "1.wav", np.zeros(100), 16_000)
    with pytest.raises(CorpusError, match=r"no recording of neutral, sadness, happiness \(it has"):
        own_recordings(tmp_path, LABELS)


def test_whole_speakers_are_held_out(tmp_path: Path) -> None:
    recordings = own_recordings(write_folder(tmp_path, True), LABELS)
    held, by_speaker = held_out(recordings, seed=0)
    assert by_speaker
    voices = {r.speaker for r in recordings if r.path in held}
    assert len(voices) == 1
    assert len(held) == 4
    assert voices.isdisjoint(r.speaker for r in recordings if r.path not in held)
