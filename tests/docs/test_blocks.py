"""Every code block of the documentation is run, or its page's source says why not.

What a block is, its language tells:

* ``python``: a program that runs as it is, and prints.
* ``py``: one that listens to a microphone; it gets a stand-in, and in the end Ctrl-C.
* ``console``: commands after ``$``, run in a copy of the checkout that has recordings; if the block
  shows what they print, that must have its shape.
* ``text``: what the block before it prints, by its shape.
* ``json``: is JSON; an event of the server fits the server's schema.
* ``ini``: a systemd unit whose command line edgeser takes.
* ``js``, ``sh`` and ``yaml``: run by ``tests/serve``, ``tests/capi`` and ``tests/train``, and the
  README's two by ``.ci/run``.

``<!-- not run: REASON -->`` before a block leaves it out.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SITE = sorted(p for p in (ROOT / "docs").rglob("*.md") if p.parent.name != "_generated")
PAGES = [ROOT / "README.md", *SITE]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+?) -->\n\n?)?(?P<fence>```+)(?P<language>[^\n`]*)\n"
    r"(?P<text>.*?)^(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)
RUN_ELSEWHERE = {
    "js": {"docs/protocol.md": 1},
    "sh": {"README.md": 2, "docs/guides/c-api.md": 3},
    "yaml": {"docs/guides/own-data.md": 1},
}
MOST_NOT_RUN = 10


@dataclass(frozen=True)
class Block:
    page: str
    number: int
    language: str
    text: str
    reason: str | None


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        name = page.relative_to(ROOT).as_posix()
        matches = BLOCK.finditer(page.read_text(encoding="utf-8"))
        code = [match for match in matches if not match["language"].startswith("{")]
        found += [Block(name, i, m["language"], m["text"], m["reason"]) for i, m in enumerate(code)]
    return found


BLOCKS = blocks()


def those(language: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language == language and not block.reason]
    return pytest.mark.parametrize(
        "block", chosen, ids=lambda block: f"{block.page}-{block.number}"
    )


def shape(output: str) -> list[str]:
    """Lines without parts that depend on the processor: figures, emotions, bars."""
    output = re.sub(r"[█░]+", "=", output)
    output = re.sub(r"\b(neutral|anger|sadness|happiness|None|not sure)\b", "X", output)
    lines = [" ".join(re.sub(r"[0-9.]+", "#", line).split()) for line in output.splitlines()]
    return [line for i, line in enumerate(lines) if line and (i == 0 or line != lines[i - 1])]


def run(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **environment},
    )


PRINTED: dict[Block, str] = {}


@those("python")
def test_programs_run_and_print(block: Block, tmp_path: Path) -> None:
    assert printed(block, tmp_path)


def printed(block: Block, folder: Path) -> str:
    """The output of a program. It runs once in each test process."""
    if block not in PRINTED:
        # From a file: the processes that a program starts read it again.
        program = folder / "program.py"
        program.write_text(block.text, encoding="utf-8")
        done = run([sys.executable, "-W", "error", str(program)], ROOT)
        assert done.returncode == 0, done.stderr
        PRINTED[block] = done.stdout
    return PRINTED[block]


@those("py")
def test_programs_with_a_microphone_run_until_ctrl_c(block: Block) -> None:
    done = run([sys.executable, "-u", "-m", "tests.docs.stand_in", block.text], ROOT)
    ended = done.stderr.strip().splitlines()[-1:] == ["KeyboardInterrupt"]
    assert done.returncode == 0 or (done.returncode in (1, 130, -signal.SIGINT) and ended), (
        done.stderr
    )
    assert done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user would have it: the checkout, the commands, and recordings to try."""
    folder = tmp_path_factory.mktemp("checkout")
    for entry in ROOT.iterdir():
        if entry.name not in (".git", "build", ".venv"):
            (folder / entry.name).symlink_to(entry)
    commands = folder / ".bin"
    commands.mkdir()
    for name, what in (("edgeser", "-m edgeser"), ("python", "")):
        (commands / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {what} "$@"\n')
        (commands / name).chmod(0o755)
    (folder / "recordings").mkdir()
    sample = ROOT / "edgeser" / "samples" / "voices.ogg"
    for name in ("recordings/monday.ogg", "recordings/tuesday.ogg", "talk.ogg"):
        shutil.copy(sample, folder / name)
    return folder


@those("console")
def test_commands_run_and_print_what_is_shown(block: Block, checkout: Path) -> None:
    path = f"{checkout / '.bin'}{os.pathsep}{os.environ['PATH']}"
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, shown = re.split(r"(?<!\\)\n", part, maxsplit=1)
        done = run(["bash", "-euo", "pipefail", "-c", command], checkout, PATH=path, COLUMNS="100")
        assert done.returncode == 0, done.stderr
        printed = shape(done.stdout)
        for line in shape(shown.replace("...\n", "")):  # which stands for lines that are not shown
            assert line in printed, printed


@those("text")
def test_output_is_what_the_program_before_prints(block: Block, tmp_path: Path) -> None:
    before = next(b for b in BLOCKS if b.page == block.page and b.number == block.number - 1)
    assert before.language == "python", f"{block.page}: what is this the output of?"
    assert shape(printed(before, tmp_path)) == shape(block.text)


@those("json")
def test_json_is_json_and_events_fit_the_schema(block: Block) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from edgeser.serve.protocol import SCHEMA

    value = json.loads(block.text)
    if "type" in value and value["type"] != "end":
        jsonschema.validate(value, SCHEMA)


@those("ini")
def test_units_start_something_that_edgeser_takes(block: Block) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(block.text)
    program, *arguments = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program).name == "edgeser"
    done = run([sys.executable, "-m", "edgeser", *arguments, "--help"], ROOT)
    options = {argument for argument in arguments if argument.startswith("--")}
    assert done.returncode == 0, done.stderr
    assert all(option in done.stdout for option in options)


def test_every_block_is_run_somewhere() -> None:
    known = {"python", "py", "console", "text", "json", "ini", *RUN_ELSEWHERE}
    left_out = [block for block in BLOCKS if block.reason]
    for block in BLOCKS:
        assert block.reason or block.language in known, f"{block.page}: {block.language!r}?"
    for language, pages in RUN_ELSEWHERE.items():
        found = [b.page for b in BLOCKS if b.language == language and not b.reason]
        assert {page: found.count(page) for page in found} == pages
    assert len(left_out) <= MOST_NOT_RUN, [(block.page, block.reason) for block in left_out]
