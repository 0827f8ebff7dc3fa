"""CI workflows: pinned actions and minimal permissions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w-]+/[\w/.-]+@[0-9a-f]{40}$")


def read(path: Path) -> dict[Any, Any]:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def test_all_are_there() -> None:
    names = ["docs", "release", "sanitizers", "supply", "tests", "wheels"]
    assert [path.stem for path in WORKFLOWS] == names


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_pinned_bounded_and_reads_only(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert True in workflow  # `on`, as YAML 1.1 reads it
    assert "secrets." not in path.read_text(encoding="utf-8")
    for name, job in workflow["jobs"].items():
        if "uses" in job:
            called = ROOT / job["uses"]
            assert "workflow_call" in read(called)[True], name
            continue
        assert job["timeout-minutes"] <= 120
        assert "latest" not in str(job["runs-on"])
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            if "uses" in step:
                assert PINNED.match(step["uses"]), step["uses"]
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            for script in re.findall(
                r"(?:python3?|bash|^) ?((?:tools|\.ci)/\S+)", step.get("run", "")
            ):
                assert (ROOT / script).exists(), script


def test_only_publishing_may_write_and_only_by_a_token_of_its_own() -> None:
    may = {
        f"{path.stem}.{name}": job["permissions"]
        for path in WORKFLOWS
        for name, job in read(path)["jobs"].items()
        if "permissions" in job
    }
    assert may == {
        "docs.publish": {"pages": "write", "id-token": "write"},
        "release.publish": {"id-token": "write"},
    }
    release = read(ROOT / ".github" / "workflows" / "release.yml")
    assert release[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    assert release["jobs"]["publish"]["environment"] == "pypi"
    assert release["jobs"]["dist"]["needs"] == "version"


def test_wheels_are_made_for_every_platform_and_each_is_tested() -> None:
    tomllib = pytest.importorskip("tomllib")  # Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    settings = project["tool"]["cibuildwheel"]
    command = settings["test-command"].replace("{project}", str(ROOT)).split()
    assert command[0] == "python"
    assert Path(command[1]).exists()
    assert set(settings["test-groups"]) <= set(project["dependency-groups"])
    oldest = project["project"]["requires-python"].removeprefix(">=3.")
    assert settings["build"].split()[0] == f"cp3{oldest}-*"
    machines = read(ROOT / ".github" / "workflows" / "wheels.yml")["jobs"]["wheel"]["strategy"]
    systems = {re.sub(r"-\d+(\.\d+)?", "", name) for name in machines["matrix"]["os"]}
    assert systems == {"ubuntu", "ubuntu-arm", "macos", "macos-intel", "windows"}


@pytest.mark.parametrize("name", ["bug", "proposal"])
def test_forms_ask_something(name: str) -> None:
    form = read(ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert {"name", "description", "body"} <= form.keys()
    ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids)) >= 3
    for part in form["body"]:
        assert part["type"] in ("markdown", "textarea", "dropdown", "checkboxes", "input")
        assert part["attributes"]


def test_the_citation_names_the_project_and_the_authors_of_the_paper() -> None:
    citation = read(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": "edgeser contributors"}]
    assert {"message", "title", "license", "version"} <= citation.keys()
    (paper,) = citation["references"]
    assert len(paper["authors"]) == 6
    assert all(author.keys() == {"given-names", "family-names"} for author in paper["authors"])
