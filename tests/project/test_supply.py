"""Dependencies: pinned by hash, with licences, and listed in the SBOM."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> dict[str, str]:
    return {plain(name): version for name, version in PIN.findall(path.read_text("utf-8"))}


@pytest.fixture(scope="module")
def sbom() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sbom", ROOT / "tools" / "sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_every_requirement_is_of_the_pinned_version_and_by_hash(path: Path) -> None:
    pinned = pins(ROOT / "constraints.txt")
    blocks = re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip())
    assert blocks[0].startswith("#")
    for block in blocks[1:]:
        name, version = PIN.findall(block)[0]
        only_elsewhere = "sys_platform == 'win32'" in block
        assert only_elsewhere or pinned[plain(name)] == version, f"{name}: run .ci/pins"
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}\b", block), name


def test_all_that_it_needs_is_among_them() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = {
        "run": project["project"]["dependencies"],
        "serve": [
            *project["project"]["dependencies"],
            *extras["serve"],
            *extras["opus"],
            *extras["vad"],
        ],
        "build": project["build-system"]["requires"],
    }
    assert [path.stem for path in REQUIREMENTS] == sorted(wanted)
    for name, needs in wanted.items():
        there = pins(ROOT / "requirements" / f"{name}.txt")
        assert {plain(re.split(r"[^\w.-]", need)[0]) for need in needs} <= there.keys(), name


SAFE = {
    "onnxruntime": (1, 27),  # reads no files that a graph names
    "starlette": (1, 3, 1),  # CVE-2025-62727, CVE-2026-48710, PYSEC-2026-248
    "h11": (0, 16),  # CVE-2025-43859
    "pyarrow": (14, 0, 1),  # CVE-2023-47248
}
"""First versions without known vulnerabilities that network clients could exploit here."""


def test_nothing_with_a_known_hole_is_allowed() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    needs = [*project["dependencies"], *(need for extra in extras for need in extra)]
    lowest = {
        plain(name): tuple(map(int, version.split(".")))
        for need in needs
        for name, version in re.findall(r"^([\w.-]+)(?:\[.*\])?>=([\d.]+)", need)
    }
    for name, safe in SAFE.items():
        assert lowest[name] >= safe, name


def test_the_tools_are_pinned() -> None:
    tools = (ROOT / ".ci" / "tools.txt").read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("#") or PIN.fullmatch(line) for line in tools)


def test_code_of_others_is_what_it_says_it_is(sbom: ModuleType) -> None:
    parts = {part["name"]: part for part in sbom.vendored()}
    assert parts.keys() == {"nlohmann/json", "pybind/pybind11"}
    json = parts["nlohmann/json"]
    header = (ROOT / "csrc" / "third_party" / "nlohmann" / "json.hpp").read_bytes()
    assert json["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(header).hexdigest()}]
    assert f"version {json['version']}\n".encode() in header[:400]
    assert parts["pybind/pybind11"]["version"] == pins(ROOT / "constraints.txt")["pybind11"]


def test_a_wheel_carries_their_licences(sbom: ModuleType) -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    carried = {path for glob in about["license-files"] for path in ROOT.glob(glob)}
    folders = [path for path in (ROOT / "csrc" / "third_party").iterdir() if path.is_dir()]
    assert len(folders) == len(sbom.vendored())
    assert all(carried & set(folder.iterdir()) for folder in folders)
    for part in sbom.vendored():
        assert part["licenses"][0]["license"]["id"] in about["license"].split(" AND ")
