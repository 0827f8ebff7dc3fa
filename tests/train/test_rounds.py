"""Training in rounds: a process is killed, and the weights equal those of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.train.models import small_config
from tests.train.test_bulk import write
from tests.train.test_teacher import WIDTH, tiny
from train.data.manifest import CorpusError
from train.data.shard import Shard
from train.front import __main__ as command
from train.front import ground, rounds
from train.front.bank import bank
from train.front.ground import Ground, Log
from train.front.material import Material, Spoken, made
from train.front.plan import Plan
from train.front.rounds import Course, Rounds
from train.front.scenes import SceneConfig
from train.front.student import Learner
from train.models import sizes
from train.models.sizes import Size, loaded
from train.teacher.targets import Projection

CPU = torch.device("cpu")
COURSE = Course((6, 4), 2)
SCENES = SceneConfig(batch=4, ahead=1, longest=1.0, lead=0.2)
PLAN = Plan(sizes=("small",), scenes=SCENES, made=2)
LIMIT = 600.0
"""Timeout in seconds."""
DATA = Path(__file__).parents[3] / "shared" / "data"
KILLED_AT = 5
"""Steps that the second process begins; it is killed during the third round."""


def material(teacher: Path) -> Material:
    rng = np.random.default_rng(0)
    spoken = []
    for number in range(12):
        wave = np.rint(rng.standard_normal(int(rng.integers(9_000, 16_000))) * 2000)
        emotion = -1 if number % 3 == 2 else number // 3 % 4
        corpus = ("one", "other", "silent")[number % 3]
        spoken.append(Spoken(wave.astype(np.int16), corpus, emotion, number == 11))
    features = [rng.standard_normal((500, 3 * WIDTH)).astype(np.float16)]
    response = rng.standard_normal(800).astype(np.float32)
    return Material(spoken, made(2, 1), [response], teacher, Projection.fit(features, 8), 0)


def small(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small values for everything that is large in a real run."""
    monkeypatch.setattr(ground, "read", lambda *_: material(folder / "teacher.safetensors"))
    for table in (ground.SIZES, sizes.SIZES):
        monkeypatch.setitem(table, "small", Size(small_config(), 3e-3))


def of_pack(plan: Plan) -> Callable[[Log], Ground]:
    return partial(Ground.of_pack, plan, [], CPU, 1)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def launched(folder: Path, out: str, *options: str) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    run = [*launch, "--max-restarts", "1", "-m", "tests.train.test_rounds", str(folder), out]
    with subprocess.Popen(
        [sys.executable, *run, *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            _, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.terminate()  # and it ends its workers, which a kill would leave behind
            raise
    assert process.returncode == 0, errors[-3000:]


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch has no gloo")
def test_a_killed_worker_changes_nothing(tmp_path: Path) -> None:
    tiny(tmp_path / "teacher.safetensors", layers=4)
    write(tmp_path / "bulk", 5)
    for out, options in (("whole", []), ("killed", ["kill"])):
        launched(tmp_path, out, *options)
        assert (tmp_path / out / "killed").exists() == bool(options)
    gone_on = [line for line in lines(tmp_path / "killed") if "gone on from round" in line]
    assert [line["gone on from round"] for line in gone_on] == [2]
    for name in ("a1.safetensors", "a2-small.safetensors"):
        whole, killed = ((tmp_path / out / name).read_bytes() for out in ("whole", "killed"))
        assert whole == killed, name
    told = [
        [{n: v for n, v in line.items() if n != "at"} for line in lines(out) if "round" in line]
        for out in (tmp_path / "whole", tmp_path / "killed")
    ]
    assert told[0] == told[1]
    assert [line["step"] for line in told[0]] == [2, 4, 6, 2, 4]
    # Both ended with one model, though each had heard other files.
    first, second = (torch.load(tmp_path / "whole" / f"{rank}.pt") for rank in range(2))
    # But each counts its own batches of a corpus; with a fixed momentum nothing reads that.
    names = [n for n in first["student"] if not n.endswith("num_batches_tracked")]
    assert all(torch.equal(first["student"][n], second["student"][n]) for n in names)
    assert first["files"] != second["files"]


def test_a_run_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(tmp_path / "teacher.safetensors", layers=4)
    small(tmp_path, monkeypatch)

    def run(out: str, course: Course = COURSE, plan: Plan = PLAN) -> Rounds:
        return Rounds(plan, course, of_pack(plan), tmp_path / out, CPU)

    run("whole").run()
    stopped = run("stopped")
    monkeypatch.setattr(Course, "rounds", lambda self, of=Course.rounds: of(self)[:4])
    stopped.run()
    monkeypatch.undo()
    small(tmp_path, monkeypatch)
    again = run("stopped")
    assert again.done == 4
    again.run()
    for name in ("a1.safetensors", "a2-small.safetensors"):
        assert (tmp_path / "whole" / name).read_bytes() == (
            tmp_path / "stopped" / name
        ).read_bytes()
    assert torch.isfinite(
        loaded("small", tmp_path / "whole" / "a2-small.safetensors")(torch.zeros(1, 8000))
    ).all()
    finished = run("stopped")
    finished.run()  # there is nothing left to do
    assert finished.done == 5
    with pytest.raises(CorpusError, match="other settings"):
        run("stopped", replace(COURSE, round=3))
    with pytest.raises(CorpusError, match="other settings"):
        run("stopped", plan=replace(PLAN, seed=1))


@pytest.mark.skipif(not DATA.is_dir(), reason="no real recordings: ../shared/data is absent")
def test_what_train_bulk_wrote_is_heard_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [sys.executable, "-m", "train", "bulk", "--corpus", "librispeech", "--mib", "1"]
    written += ["--data", str(DATA), "--out", str(tmp_path / "bulk")]
    subprocess.run(written, check=True, stdout=subprocess.DEVNULL)
    tiny(tmp_path / "teacher.safetensors", layers=4)
    small(tmp_path, monkeypatch)
    bulk = rounds.Bulk(str(tmp_path / "bulk"), 1)
    files = [bulk.of(number)[0] for number in range(3)]
    assert len(set(files)) == 3
    run = Rounds(PLAN, Course((2, 1), 1), of_pack(PLAN), tmp_path / "out", CPU, bulk=bulk)
    run.run()
    own = run.ground.bank.hours
    more = [sum(len(one.samples) for one in bulk.read(n)) / 16_000 / 3600 for n in range(3)]
    told = [line["hours"] for line in lines(tmp_path / "out") if "round" in line]
    assert told == pytest.approx([own + hours for hours in more], abs=0.02)
    assert min(more) > 0.05
    assert bulk.unreadable == 0


def test_recordings_of_two_banks_are_those_of_each(tmp_path: Path) -> None:
    found = material(tiny(tmp_path / "teacher.safetensors", layers=4))
    silent = replace(
        found, spoken=[replace(s, emotion=-1, corpus="more") for s in found.spoken[:5]]
    )
    own, more = bank(found, {"one": 3}, CPU, 4), bank(silent, {}, CPU, 4)
    both = own.and_also(more)
    assert both.names == ("one", "other")
    assert (both.corpus[12:] == -1).all()
    for row, (part, index) in enumerate(
        [(own, n) for n in range(12)] + [(more, n) for n in range(5)]
    ):
        for of, at in ((both, row), (part, index)):
            start, length = int(of.audio.starts[at]), int(of.audio.lengths[at])
            first, count = int(of.rows[at]), int(of.counts[at])
            seen = (
                of.audio.samples[start : start + length],
                of.clean[start : start + length],
                of.sums[first : first + count + 1],
                of.squares[first : first + count + 1],
            )
            if of is both:
                expected = seen
        assert all(torch.equal(a, b) for a, b in zip(seen, expected, strict=True))


def test_the_command_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--pack", "p", "--out", "o"]
    for wrong, said in (
        (["--bulk", "b"], "say how far, by --steps"),
        (["--steps", "0", "5"], "give 1 or more"),
    ):
        with pytest.raises(SystemExit):
            command.parsed([*given, *wrong])
        assert said in capsys.readouterr().err


def main(folder: Path, out: Path, option: str) -> None:
    """The work of each process."""
    torch.set_num_threads(1)
    shard, steps, step = Shard.here(), 0, Learner.step
    with pytest.MonkeyPatch.context() as patches:
        small(folder, patches)

        def deadly(self: Learner, *given: Any) -> None:
            nonlocal steps
            steps += 1
            if steps > KILLED_AT and shard.rank == 1 and not (out / "killed").exists():
                (out / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            step(self, *given)

        if option == "kill":
            patches.setattr(Learner, "step", deadly)
        with shard.joined(CPU):
            bulk = rounds.Bulk(str(folder / "bulk"), 1, shard)
            run = Rounds(PLAN, COURSE, of_pack(PLAN), out, CPU, shard, bulk)
            run.run()
    state = run.learners[0].student.state_dict()
    torch.save({"student": state, "files": bulk.of(0)}, out / f"{shard.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[1], sys.argv[2]), (*sys.argv[3:], "")[0])
