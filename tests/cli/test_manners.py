"""All commands: help texts, and behaviour on errors and interrupts."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from edgeser.cli import app, ascii_bars
from edgeser.cli.exit_codes import ExitCode
from tests.cli.conftest import run
from tests.sounds import speech_like

COMMANDS = [
    info.name or info.callback.__name__  # type: ignore[union-attr]
    for info in app.registered_commands
]
PROGRAM = [sys.executable, "-m", "edgeser"]
SERVES_PROGRAMS = {"demo", "analyze", "merge", "listen", "serve", "bench", "info", "doctor"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_tells_the_exit_codes(command: str) -> None:
    done = run(command, "--help", COLUMNS="200")
    assert done.returncode == 0
    told = " ".join(done.stdout.split())
    for code in ExitCode:
        assert f"{code.value} {code.meaning}" in told
    assert "--verbose" in told
    assert "--json" in told or command not in SERVES_PROGRAMS


@pytest.mark.parametrize("command", [["info"], ["demo", "--json"], ["--help"]])
def test_a_pipe_that_closes_early_is_no_error(command: list[str]) -> None:
    with subprocess.Popen(
        [*PROGRAM, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) in {ExitCode.OK, ExitCode.FAILED}


def test_ctrl_c_ends_what_it_interrupts_without_a_word(toy_path: Path) -> None:
    command = [*PROGRAM, "demo", "--pace", "1", "-m", str(toy_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()  # it has begun
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == ExitCode.INTERRUPTED
    assert errors == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dance"], "edgeser: No such command 'dance' (try edgeser --help)"),
        (["demo", "--pace", "x"], "edgeser demo: Invalid value for '--pace'"),
        (["analyze"], "edgeser analyze: Missing argument"),
        (["serve", "--key", "x.pem"], "edgeser serve: Invalid value: TLS needs both"),
    ],
)
def test_what_makes_no_sense_is_one_line(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == ExitCode.USAGE
    assert done.stdout == ""
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["info", "/"], "edgeser: /: is a folder"),
        (
            ["analyze", ".", "--out", "/proc/x.csv"],
            "edgeser: /proc/x.csv: cannot be written",
        ),
        (["bench", "--plot", "x.docx"], "edgeser: x.docx: end it in one of"),
    ],
)
def test_what_fails_is_one_line(
    arguments: list[str], said: str, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--plot" in arguments:
        pytest.importorskip("matplotlib", reason="the extra 'plot' is not installed")
    monkeypatch.chdir(sound.parent)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    done = run(*arguments)
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- <&- 2>&-"])
def test_closed_streams_are_no_error(toy_path: Path, sound: Path, closed: str) -> None:
    out = sound.with_name("r.csv")
    arguments = [*PROGRAM, "analyze", "-m", str(toy_path), str(sound), "-o", str(out)]
    command = ["bash", "-c", f'"$@" {closed}', "bash", *arguments]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
    assert done.returncode == ExitCode.OK
    assert done.stderr == ""
    assert out.read_text().count("\n") == 2


def test_an_output_that_is_full_is_one_line(toy_path: Path, sound: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    command = [*PROGRAM, "analyze", "-m", str(toy_path), str(sound), "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    assert done.returncode == ExitCode.FAILED
    assert done.stderr.startswith("edgeser: the output cannot be written: No space left")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder that is in use")
def test_a_folder_that_is_gone_is_named(sound: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = 'rmdir "$PWD" && exec "$@"'
    command = ["sh", "-c", script, "sh", *PROGRAM, "analyze", str(sound), "--out", "table.csv"]
    done = subprocess.run(
        command, cwd=gone, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == ExitCode.FAILED
    assert done.stderr == "edgeser: the current folder is gone: change to another one\n"


def test_names_do_nothing_to_a_terminal(toy_path: Path, tmp_path: Path) -> None:
    good = "a\n\x1b[31m\x9b1m\u202e\udcff.wav"
    soundfile.write(tmp_path / "plain.wav", speech_like(1.0), 16_000)
    (tmp_path / "plain.wav").rename(tmp_path / good)
    (tmp_path / "b\x1b]0;x\x07\n.wav").write_bytes(b"no sound")
    (tmp_path / "c\x1b.m4a").write_bytes(b"")
    done = run("analyze", "-m", toy_path, tmp_path)
    as_json = run("analyze", "-m", toy_path, tmp_path, "--json")
    for said in (done.stdout, done.stderr, as_json.stderr, as_json.stdout):
        assert not set(said) & set("\x1b\x9b\x07\u202e")
    assert done.stderr.count("\n") == 2
    assert r"a\n\x1b[31m\x9b1m\u202e\udcff.wav  " in done.stdout
    sources = {file["source"] for file in json.loads(as_json.stdout)["files"]}
    assert str(tmp_path / good) in sources


def test_verbose_says_where_an_error_was(tmp_path: Path) -> None:
    done = run("info", "--verbose", tmp_path / "none.edgeser")
    assert done.returncode == ExitCode.FAILED
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"edgeser: {tmp_path / 'none.edgeser'}")


def test_without_a_terminal_there_is_only_text(toy_path: Path, sound: Path) -> None:
    done = run("analyze", "-m", toy_path, sound, NO_COLOR="", TERM="xterm-256color")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_a_narrow_terminal_is_kept_to(toy_path: Path) -> None:
    terminal = {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": "34"}
    for command in (["doctor", "-m", toy_path], ["info", toy_path], ["demo", "--fast"]):
        done = run(*command, **terminal)
        assert done.returncode == 0, done.stderr
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", done.stdout)
        if command[0] != "demo":  # whose lines a terminal wraps itself
            assert max(map(len, plain.splitlines())) <= 34


def test_a_terminal_that_knows_no_bars_gets_something_else(toy_path: Path) -> None:
    done = run("demo", "-m", toy_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    bar = re.search(r"verdict .*  (#*\.*)  \d\.\d\d", done.stdout)
    assert bar is not None
    assert len(bar[1]) == 16
    assert "\\u" not in done.stdout
    ascii_bars.register()
    assert "日█░▁本".encode("ascii", ascii_bars.ASCII) == rb"\u65e5#..\u672c"


def test_hashes_are_whole_in_a_pipe(toy_path: Path) -> None:
    told = json.loads(run("info", "--json", toy_path).stdout)
    environment = {"COLUMNS": ""}
    done = run("info", toy_path, **environment)
    for digest in (told["hash"], *(m["sha256"] for m in told["manifest"]["members"].values())):
        assert digest in done.stdout


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", {"COMP_WORDS": "edgeser analyze --rows ", "COMP_CWORD": "3"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "edgeser analyze --rows "}),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "edgeser analyze --rows ",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
        ),
    ],
)
def test_shells_are_told_what_may_come_next(shell: str, words: dict[str, str]) -> None:
    done = run(_EDGESER_COMPLETE=f"complete_{shell}", **words)
    for kind in ("files", "utterances", "frames"):
        assert kind in done.stdout
    script = run(_EDGESER_COMPLETE=f"source_{shell}").stdout
    assert f"_EDGESER_COMPLETE=complete_{shell}" in script


def test_a_description_is_one_line_of_a_shell() -> None:
    """Fish takes each line as a completion."""
    done = run(
        _EDGESER_COMPLETE="complete_fish",
        _TYPER_COMPLETE_ARGS="edgeser listen --v",
        _TYPER_COMPLETE_FISH_ACTION="get-args",
    )
    lines = done.stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["--vad", "--verbose"]


def test_bash_completes_in_earnest(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    program = tmp_path / "edgeser"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgeser "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(_EDGESER_COMPLETE=source_bash edgeser)"
        COMP_WORDS=(edgeser an) COMP_CWORD=1
        _edgeser_completion edgeser
        echo "${COMPREPLY[@]}"
    """
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "--norc", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": path},
    )
    assert done.stdout.strip() == "analyze", done.stderr


def test_nothing_takes_long_to_say_what_it_is() -> None:
    """Shell completion must be fast: it imports no model, torch or onnxruntime."""
    probe = "import sys; import edgeser.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    heavy = {"torch", "onnxruntime", "matplotlib", "uvicorn", "pyarrow", "pyaudio", "triton"}
    assert heavy.isdisjoint(done.stdout.split())
