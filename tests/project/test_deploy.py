"""Files for Docker, Kubernetes, Prometheus and Grafana agree with the server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serve.conftest import Start, start

__all__ = ["start"]  # a fixture

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PORT = 8765


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def last(word: str) -> str:
    return [rest for name, rest in instructions() if name == word][-1]


def options_of_serve() -> str:
    command = [sys.executable, "-m", "edgeser", "serve", "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def documents() -> dict[str, Any]:
    text = (ROOT / "deploy" / "kubernetes.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def test_the_image_is_slim_pinned_and_not_root() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert len(bases) == 2
    assert len(set(bases)) == 1  # a virtual environment moves between equal Pythons alone
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases[0])
    assert int(last("USER").split(":")[0]) > 0
    assert int(last("EXPOSE")) == PORT
    users = [i for i, (word, _) in enumerate(instructions()) if word == "USER"]
    starts = [i for i, (word, _) in enumerate(instructions()) if word in ("RUN", "COPY")]
    assert max(starts) < users[0]
    entry = json.loads(last("ENTRYPOINT"))
    assert entry[:2] == ["edgeser", "serve"]
    shown = options_of_serve()
    assert all(part in shown for part in entry[2:] if part.startswith("--"))
    extras = re.search(r"\.\[([\w,]+)\]", DOCKERFILE)
    assert extras is not None
    known = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all(re.search(rf"^{extra} = \[", known, re.MULTILINE) for extra in extras[1].split(","))


def test_the_build_gets_what_it_needs_and_no_more() -> None:
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert kept[1] == "*"
    named = {line[1:] for line in kept if line.startswith("!")}
    assert all((ROOT / name).exists() for name in named)
    assert {"csrc", "edgeser", "pyproject.toml", "CMakeLists.txt", "LICENSE"} <= named


def test_the_health_check_tells_life_from_death(start: Start) -> None:
    address, _ = start()
    check = json.loads(last("HEALTHCHECK").split("CMD ", 1)[1])
    assert check[0] == "python"

    def healthy(place: str) -> bool:
        code = check[2].replace(f"127.0.0.1:{PORT}", place)
        assert code != check[2]
        command = [sys.executable, *check[1:2], code]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert healthy(address)
    assert not healthy("127.0.0.1:9")


def test_compose_opens_it_to_this_machine_alone() -> None:
    (service,) = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))[
        "services"
    ].values()
    assert service["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["build"] == "."
    shown = options_of_serve()
    assert all(part in shown for part in service["command"] if part.startswith("--"))


def test_kubernetes_probes_what_the_server_answers(start: Start) -> None:
    import urllib.request

    address, _ = start()
    pod = documents()["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    (port,) = container["ports"]
    assert port["containerPort"] == PORT
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        get = container[probe]["httpGet"]
        assert get["port"] == port["name"]
        with urllib.request.urlopen(f"http://{address}{get['path']}") as answer:
            assert answer.status == 200
    # A pod that says goodbye answers 503: not ready, and gone before it would be killed for it.
    patience = container["livenessProbe"]["periodSeconds"]
    patience *= container["livenessProbe"]["failureThreshold"]
    assert pod["spec"]["terminationGracePeriodSeconds"] < patience
    shown = options_of_serve()
    assert all(part in shown for part in container["args"] if part.startswith("--"))


def test_kubernetes_manifests_fit_together() -> None:
    found = documents()
    assert set(found) == {"Deployment", "Service", "NetworkPolicy"}
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    pod = found["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (port,) = found["Service"]["spec"]["ports"]
    assert port["targetPort"] in [p["name"] for p in container["ports"]]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert str(pod["securityContext"]["runAsUser"]) == last("USER").split(":")[0]
    secure = container["securityContext"]
    assert secure["readOnlyRootFilesystem"] is True
    assert secure["allowPrivilegeEscalation"] is False
    assert secure["capabilities"] == {"drop": ["ALL"]}
    for bound in ("requests", "limits"):
        assert set(container["resources"][bound]) == {"cpu", "memory"}
    policy = found["NetworkPolicy"]["spec"]
    assert policy["egress"] == []
    assert "Egress" in policy["policyTypes"]


def canary() -> Any:
    return yaml.safe_load((ROOT / "deploy" / "canary.yaml").read_text(encoding="utf-8"))


def test_a_canary_serves_beside_the_others() -> None:
    found, new = documents(), canary()
    stable, pods = (each["spec"] for each in (found["Deployment"], new))
    labels = pods["template"]["metadata"]["labels"]
    for kind, place in (("Service", "selector"), ("NetworkPolicy", "podSelector")):
        selector = found[kind]["spec"][place]
        assert selector.get("matchLabels", selector).items() <= labels.items()
    assert pods["selector"]["matchLabels"].items() <= labels.items()
    # Neither Deployment takes the other's pods for its own.
    assert not stable["selector"]["matchLabels"].items() <= labels.items()
    others = stable["template"]["metadata"]["labels"]
    assert not pods["selector"]["matchLabels"].items() <= others.items()
    # And they differ in what they run alone.
    old, other = stable["template"]["spec"], pods["template"]["spec"]
    (mine,), (theirs,) = old.pop("containers"), other.pop("containers")
    assert old == other
    assert {name for name in mine | theirs if mine.get(name) != theirs.get(name)} == {
        "image",
        "args",
    }
    assert theirs["args"][: len(mine["args"])] == mine["args"]
    assert {"--model", "--signed-by"} <= set(theirs["args"])
    shown = options_of_serve()
    assert all(part in shown for part in theirs["args"] if part.startswith("--"))


def test_kubernetes_schemas_allow_it() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for document in (*documents().values(), canary()):
        validate.validate(document, "1.31", strict=True)
    wrong = documents()["Deployment"]
    wrong["spec"]["template"]["spec"]["containers"][0]["resources"]["limit"] = {}
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, "1.31", strict=True)


@pytest.mark.parametrize(("field", "allowed"), [("mem_limit", True), ("memory_limit", False)])
def test_composes_schema_allows_it(tmp_path: Path, field: str, allowed: bool) -> None:
    pytest.importorskip("check_jsonschema")
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert "mem_limit" in text
    file = tmp_path / "compose.yaml"
    file.write_text(text.replace("mem_limit", field), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is allowed, done.stdout


def metric_names() -> set[str]:
    pytest.importorskip("prometheus_client")
    from edgeser.serve.metrics import Metrics

    metrics = Metrics(labels=("neutral", "anger"))
    samples = {s.name for family in metrics.registry.collect() for s in family.samples}
    return {name for name in samples if not name.endswith("_created")} | {"up"}


def used(expression: str) -> set[str]:
    return set(re.findall(r"\b(edgeser_\w+|up)(?=[{\[, )]|$)", expression))


def test_alerts_ask_for_figures_that_there_are() -> None:
    alerts = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text(encoding="utf-8"))
    (group,) = alerts["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(names) == len(set(names)) >= 4
    page = (ROOT / "docs" / "guides" / "deploy.md").read_text(encoding="utf-8")
    for rule in group["rules"]:
        assert used(rule["expr"])
        assert used(rule["expr"]) <= metric_names()
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in page


def test_the_dashboard_can_be_imported_and_asks_for_figures_that_there_are() -> None:
    board = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= board.keys()
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    taken: set[tuple[int, int]] = set()
    asked: set[str] = set()
    for panel in board["panels"]:
        assert panel["title"]
        assert panel["description"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            assert used(target["expr"])
            asked |= used(target["expr"])
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables
    assert asked <= metric_names()


def lost(given: Any, kept: Any, where: str = "") -> list[str]:
    """Differences of a document from another one."""
    if isinstance(given, dict) and isinstance(kept, dict):
        missing = [f"{where}/{name}" for name in given.keys() - kept.keys()]
        both = given.keys() & kept.keys()
        return missing + [one for n in both for one in lost(given[n], kept[n], f"{where}/{n}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        pairs = enumerate(zip(given, kept, strict=True))
        return [one for at, (a, b) in pairs for one in lost(a, b, f"{where}/{at}")]
    return [] if given == kept else [where]


def test_grafanas_own_types_know_all_of_the_dashboard() -> None:
    """They are made from the schemas of Grafana's server."""
    models = pytest.importorskip("grafana_foundation_sdk.models.dashboard")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins

    register_default_plugins()
    board = json.loads((ROOT / "deploy" / "grafana.json").read_text(encoding="utf-8"))

    def read() -> Any:
        return json.loads(JSONEncoder().encode(models.Dashboard.from_json(board)))

    assert lost(board, read()) == []
    board["panels"][0]["gridPosition"] = board["panels"][0].pop("gridPos")
    board["panels"][0]["fieldConfig"]["defaults"]["units"] = "short"
    assert sorted(lost(board, read())) == [
        "/panels/0/fieldConfig/defaults/units",
        "/panels/0/gridPosition",
    ]
