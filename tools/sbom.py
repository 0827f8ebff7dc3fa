"""Add what a package manager cannot see to a bill of materials in CycloneDX.

``.ci/sbom`` calls it: ``python tools/sbom.py PYTHON.json WHEEL OUT.json``. To the packages of
Python it adds the code of others that is compiled into the wheel, as
``csrc/third_party/README.md`` and ``constraints.txt`` say, the wheel itself, and the model inside
it; then it holds the whole against CycloneDX's schema.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MODEL = "edgeser/models/default.edgeser"
_ROW = re.compile(r"^\| `(\w+)/` \| .*?\((https://\S+?)\).* \| (.+?) \| (\S+) \| (?:`(\w+)`)? ?\|$")

Component = dict[str, Any]


def vendored() -> list[Component]:
    """What is compiled in, from the table of csrc/third_party."""
    table = (ROOT / "csrc" / "third_party" / "README.md").read_text(encoding="utf-8")
    pins = dict(
        re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    )
    rows = [match.groups() for line in table.splitlines() if (match := _ROW.match(line))]
    found = []
    for name, address, version, licence, digest in rows:
        version = pins.get(name, version)
        owner = address.removeprefix("https://github.com/")
        component: Component = {
            "type": "library",
            "bom-ref": f"compiled-in/{name}",
            "name": owner,
            "version": version,
            "scope": "required",
            "licenses": [{"license": {"id": licence}}],
            "purl": f"pkg:github/{owner}@v{version}",
            "description": "Compiled into edgeser._kernels.",
            "externalReferences": [{"type": "vcs", "url": address}],
        }
        if digest:
            component["hashes"] = [{"alg": "SHA-256", "content": digest}]
        found.append(component)
    return found


def model(wheel: zipfile.ZipFile) -> Component:
    """The bundle inside."""
    digest = hashlib.sha256(wheel.read(MODEL)).hexdigest()
    return {
        "type": "machine-learning-model",
        "bom-ref": MODEL,
        "name": Path(MODEL).name,
        "licenses": [{"expression": "ODbL-1.0 AND Apache-2.0"}],
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "description": "Weights, not executable; described in MODEL_CARD.md.",
    }


def complete(bill: dict[str, Any], wheel: Path) -> dict[str, Any]:
    """The bill of materials with the additions."""
    with zipfile.ZipFile(wheel) as file:
        added = [*vendored(), model(file)]
    root = bill["metadata"]["component"]
    _, version, *_ = wheel.name.split("-")
    root["version"], root["purl"] = version, f"pkg:pypi/edgeser@{version}"
    root["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}]
    root["description"] = wheel.name
    bill["components"] += added
    needs = next(item for item in bill["dependencies"] if item["ref"] == root["bom-ref"])
    needs["dependsOn"] = [*needs.get("dependsOn", []), *(item["bom-ref"] for item in added)]
    bill["dependencies"] += [{"ref": item["bom-ref"]} for item in added]
    return bill


def main(python: Path, wheel: Path, out: Path) -> None:
    """Write the whole, and say what is in it."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    bill = complete(json.loads(python.read_text(encoding="utf-8")), wheel)
    text = json.dumps(bill, indent=2, ensure_ascii=False) + "\n"
    version = SchemaVersion.from_version(bill["specVersion"])
    if wrong := JsonStrictValidator(version).validate_str(text):
        sys.exit(f"not as CycloneDX {bill['specVersion']} wants it: {wrong}")
    out.write_text(text, encoding="utf-8")
    print(f"{out}: {len(bill['components'])} components, CycloneDX {bill['specVersion']}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
