"""Small files that would expand to gigabytes or take minutes are refused cheaply."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import native, toy
from tests.bundle.broken import BROKEN, ONLY_RUNNING_SHOWS
from tests.bundle.damage import members_of, raw_manifest, raw_tensors, resealed

MIB = 1 << 20
_BLOCK = 4 * MIB
_CLAIMS = {
    f"t{n}": {"dtype": "F32", "shape": [_BLOCK // 4], "data_offsets": [0, _BLOCK]}
    for n in range(2_000)
}
_LISTS = b"[]," * (MIB // 3 - 100)
LARGE = {
    "one block for 2000 tensors": raw_tensors(json.dumps(_CLAIMS).encode(), bytes(_BLOCK)),
    "a header of empty lists": raw_tensors(b'{"__metadata__": [' + _LISTS + b"[]]}"),
    "a header of 60 MB": raw_tensors(b'{"__metadata__": [' + _LISTS * 60 + b"[]]}"),
    "a header of names": raw_tensors(
        json.dumps({f"{n}": {} for n in range(60_000)}).encode(), bytes(8)
    ),
    "a manifest of empty lists": raw_manifest(b'{"format": 2, "x": [' + _LISTS + b"[]]}"),
    "a manifest of empty objects": raw_manifest(
        b'{"format": 2, "x": [' + b"{}," * (MIB // 3 - 100) + b"{}]}"
    ),
    "a manifest of objects by name": raw_manifest(
        json.dumps({"format": 2, **{f"{n}": {} for n in range(60_000)}}).encode()
    ),
    "a graph of empty fields": lambda bundle: resealed(
        {**members_of(bundle), "frontend.onnx": b"\x42\0" * (8 * MIB)}
    ),
    "a graph of one long name": lambda bundle: resealed(
        {**members_of(bundle), "frontend.onnx": b"\x12\x80\x80\x80\x20" + bytes(64 * MIB)}
    ),
}
MOST_MIB, MOST_SECONDS = 256, 20.0
"""More than a valid bundle takes. The largest has 64 MiB; there are two copies of it for a
while."""

_READ = """
import json, resource, sys, warnings
from pathlib import Path
{imports}
# The highest since this program began; that of getrusage may be of the one that started it.
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) >> 10
said = {{}}
folder = Path(sys.argv[1])
sound = {load}(folder / "sound")
before = peak()
for path in sorted(folder.glob("*.edgeser")):
    try:
        {load}(path)
        said[path.stem] = None
    except edgeser.BundleError as error:
        said[path.stem] = str(error)
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([said, peak() - before, used.ru_utime + used.ru_stime]))
"""
PYTHON = _READ.format(imports="import edgeser", load="edgeser.load")
C = _READ.format(imports="import edgeser\nfrom tests import native", load="native.open_model")


@pytest.mark.skipif(sys.platform != "linux", reason="its memory is read from /proc")
@pytest.mark.parametrize("language", ["Python", pytest.param("C", marks=pytest.mark.slow)])
def test_it_takes_little(tmp_path: Path, language: str) -> None:
    if language == "C":
        native.build()
    toy.write(tmp_path / "sound")
    good = toy.write(tmp_path / "good", layers=False).read_bytes()
    attacks = {**LARGE, **{name: break_it for name, (break_it, _) in BROKEN.items()}}
    for number, break_it in enumerate(attacks.values()):
        (tmp_path / f"{number}.edgeser").write_bytes(break_it(good))
    done = subprocess.run(
        [sys.executable, "-c", PYTHON if language == "Python" else C, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    said, more, seconds = json.loads(done.stdout)
    assert len(said) == len(attacks)
    for number, name in enumerate(attacks):
        assert said[str(number)] or (language == "C" and name in ONLY_RUNNING_SHOWS), name
    assert more < MOST_MIB
    assert seconds < MOST_SECONDS
