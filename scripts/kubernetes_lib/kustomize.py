"""Builds the kustomizations with kubectl, and compares them with the chart."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml
from chart import Document, cases, key, render
from generated import COMPONENTS, GUIDE, KUSTOMIZE, comparable

PLACE = "KUSTOMIZE"
"""Stands for the path to KUSTOMIZE in an overlay."""
OWN = "[cache]\nmebibytes = 64\n"
"""A configuration in place of the base's."""
OVERLAY = re.compile(r"^```yaml\n(resources: .*?)^```", re.MULTILINE | re.DOTALL)
HASH = re.compile(r"^(explaind)-[0-9a-z]{10}$")


def check() -> str:
    """Says what was built. The base with each component is what the chart renders."""
    if not shutil.which("kubectl"):
        return "not run: kubectl kustomize, as there is no kubectl"
    for components in ([], *([name] for name in COMPONENTS)):
        values = cases()[components[0]] if components else {}
        built, expected = build(components), comparable(render(values))
        assert built == expected, [name for name in expected if built.get(name) != expected[name]]
    check_guide()
    return (
        f"kubectl built the base and {len(COMPONENTS)} components, as Helm, and the guide's overlay"
    )


def check_guide() -> None:
    """Builds the overlay of the guide, with all that it shows."""
    (shown,) = OVERLAY.findall(GUIDE.read_text())
    built = overlay(shown.replace("../explaind/deploy/kustomize", PLACE))
    deployment = built["Deployment", "explaind"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith("registry.example.org/explaind:"), container["image"]
    assert {document["metadata"]["namespace"] for document in built.values()} == {"explaind"}
    assert built["ConfigMap", "explaind"]["data"] == {"explaind.toml": OWN}
    assert ("ServiceMonitor", "explaind") in built
    metrics = built["HorizontalPodAutoscaler", "explaind"]["spec"]["metrics"]
    assert [metric["type"] for metric in metrics] == ["Resource", "Pods"]


def build(components: list[str]) -> dict[tuple[str, str], Document]:
    """The base with components."""
    places = {
        "resources": [f"{PLACE}/base"],
        "components": [f"{PLACE}/{name}" for name in components],
    }
    return overlay(yaml.safe_dump(places))


def overlay(kustomization: str) -> dict[tuple[str, str], Document]:
    """Builds an overlay that is in another folder, as those of users are."""
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.relpath(KUSTOMIZE, Path(folder).resolve())
        (Path(folder) / "kustomization.yaml").write_text(kustomization.replace(PLACE, place))
        (Path(folder) / "explaind.toml").write_text(OWN)
        command = ["kubectl", "kustomize", folder]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return {
        key(document): document for document in map(without_hash, yaml.safe_load_all(done.stdout))
    }


def without_hash(part: object) -> object:
    """Replaces the name of the generated ConfigMap by the one that it was generated from."""
    if isinstance(part, dict):
        return {name: without_hash(each) for name, each in part.items()}
    if isinstance(part, list):
        return [without_hash(each) for each in part]
    return HASH.sub(r"\1", part) if isinstance(part, str) else part
