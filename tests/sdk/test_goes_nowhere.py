"""Audio stays in the process: system calls of a running stream are only for memory.

Held twice. By ``strace``, where there is one that may trace: every system call of every thread. And
everywhere on Linux by what the kernel counts of a process and by Python's audit hooks. Each is also
held against programs that do let something out, so that it is known to notice.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

_PROGRAM = """
import gc, json, os, sys
import numpy as np
import edgeser

model = edgeser.load(sys.argv[1])
sound = np.load(sys.argv[2])
stream, other = model.stream(16_000), model.stream(44_100)
utterances, pool = edgeser.Utterances(model, 16_000), model.pool()

def hear():
    for at in range(0, len(sound), 700):
        chunk = sound[at : at + 700]
        stream.process(chunk)
        utterances.process(chunk)
        pool.process({stream: chunk, other: chunk})
    state = stream.state()
    try:
        stream.process(np.full(100, np.nan, "f4"))
    except edgeser.AudioError:
        pass
    stream.flush(), utterances.flush()
    model.resume(state).process(sound[:5000])
    model.analyze(sound, 16_000)
    LEAK

def files():
    return sorted(os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")[:-1])

def written():
    lines = open("/proc/self/io").read().split()
    return [int(lines[lines.index(name) + 1]) for name in ("wchar:", "syscw:", "write_bytes:")]

hear()  # whatever is imported late is imported now
told, watching = [], False
MEMORY = "object.", "gc.", "sys._getframe", "builtins.id", "array."
def audit(event, arguments):
    if watching and not event.startswith(MEMORY):
        told.append(event)
sys.addaudithook(audit)
gc.collect()
before = files(), written(), len(os.listdir("/proc/self/task"))
os.access("/begin", 0)
watching = True
hear()
watching = False
os.access("/end", 0)
after = files(), written(), len(os.listdir("/proc/self/task"))
print(json.dumps({"audited": told, "before": before, "after": after}))
"""

LEAKS = {
    "socket": "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()",
    "file": "open(os.devnull, 'wb').write(bytes(9))",
    "memory file": "os.close(os.memfd_create('sound'))",
    "log": "sys.stderr.write('heard')",
    "program": "import subprocess; subprocess.run(['true'])",
}

_QUIET = re.compile(
    r"^(\[pid +\d+\] )?(\d+ +)?(futex|munmap|madvise|brk|mremap|mprotect|sched_yield|clock_gettime|"
    r"clock_nanosleep|rt_sig\w+|restart_syscall|<\.\.\. \w+ resumed|[+-]{3}|"
    r"mmap\(\w+, \d+, [\w|]+, MAP_PRIVATE\|MAP_(NORESERVE\|)?ANONYMOUS)"
)
"""System calls for memory, waiting and time; none takes a descriptor, a path or an address."""


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    import numpy as np

    from tests.sounds import speech_like

    np.save(tmp_path / "sound.npy", speech_like(3.0))
    return tmp_path / "sound.npy"


def _command(bundle: Path | None, sound: Path, leak: str) -> list[str]:
    from edgeser.bundle.paths import DEFAULT_BUNDLE

    return [
        sys.executable,
        "-c",
        _PROGRAM.replace("LEAK", leak),
        str(bundle or DEFAULT_BUNDLE),
        str(sound),
    ]


def _between(trace: Path) -> list[str]:
    """The system calls while the stream ran."""
    lines = trace.read_text(errors="replace").splitlines()
    begin = next(n for n, line in enumerate(lines) if '"/begin"' in line)
    end = next(n for n, line in enumerate(lines) if '"/end"' in line)
    assert begin < end
    return lines[begin + 1 : end]


def _traced(command: list[str], trace: Path) -> list[str]:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("there is no strace")
    tried = subprocess.run([strace, "-o", trace, "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip("strace may not trace here")
    done = subprocess.run(
        [strace, "-f", "-o", str(trace), *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in _between(trace) if not _QUIET.match(line)]


def test_every_system_call_of_a_stream_is_for_memory(sound: Path, tmp_path: Path) -> None:
    assert _traced(_command(None, sound, ""), tmp_path / "trace") == []


@pytest.mark.parametrize("leak", LEAKS)
def test_the_trace_would_notice(sound: Path, tmp_path: Path, leak: str) -> None:
    assert _traced(_command(None, sound, LEAKS[leak]), tmp_path / "trace")


def _watched(sound: Path, leak: str) -> bool:
    """Whether audit events, kernel counters or open files show outgoing data."""
    done = subprocess.run(
        _command(None, sound, leak), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return bool(found["audited"]) or found["before"] != found["after"]


def test_nothing_is_opened_written_or_sent(sound: Path) -> None:
    assert not _watched(sound, "")


@pytest.mark.parametrize("leak", ["socket", "file", "log", "program"])
def test_the_watch_would_notice(sound: Path, leak: str) -> None:
    assert _watched(sound, LEAKS[leak])
