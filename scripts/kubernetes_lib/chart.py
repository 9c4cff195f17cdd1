"""The chart, packaged and rendered by Helm's own library."""

import functools
import json
from pathlib import Path

import helm_python as helm
import yaml

CHART = Path("deploy/helm/explaind")
OLDEST, NEWEST = "1.29", "1.37"
"""The versions of Kubernetes that are checked; OLDEST is kubeVersion in Chart.yaml."""

Document = dict
"""An object of Kubernetes."""


def cases() -> dict[str, dict]:
    """The values of each case by its name."""
    files = sorted(CHART.glob("ci/*-values.yaml"))
    read = {
        file.name.removesuffix("-values.yaml"): yaml.safe_load(file.read_text()) for file in files
    }
    return {"default": {}} | read


@functools.cache
def archive() -> str:
    """The chart as it is published, with the files that its links lead to."""
    folder = Path("target/kubernetes")
    folder.mkdir(parents=True, exist_ok=True)
    return helm.package(CHART, destination=folder)


@functools.cache
def chart() -> helm.Chart:
    return helm.Chart.load(archive())


def render(values: dict) -> list[Document]:
    rendered = chart().render(values, name="explaind", namespace="explanations")
    texts = (text for path, text in sorted(rendered.items()) if path.endswith(".yaml"))
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def lint(values: dict) -> None:
    """Fails for warnings, too. A missing icon is not one."""
    report = helm.lint(archive(), values, strict=True, kube_version=f"v{OLDEST}.0")
    found = [message for message in report["messages"] if message["severity"] > 1]
    assert not found and not report["errors"], report


def rejects(values: dict, reason: str) -> None:
    try:
        render(values)
    except helm.HelmError as error:
        assert reason in str(error), f"{values} fails for another reason: {error}"
    else:
        raise AssertionError(f"{values} is accepted")


def one(documents: list[Document], kind: str) -> Document:
    (found,) = (document for document in documents if document["kind"] == kind)
    return found


def key(document: Document) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]


def leaves(values: dict, path: str = "") -> dict[str, object]:
    """The values by path. Values without default keys are leaves."""
    found = {}
    for name, value in values.items():
        described = isinstance(value, dict) and value and name != "resources"
        found |= leaves(value, f"{path}{name}.") if described else {f"{path}{name}": value}
    return found


def schema_paths() -> set[str]:
    """The paths that values.schema.json allows."""
    schema = json.loads((CHART / "values.schema.json").read_text())

    def paths(part: dict, path: str) -> set[str]:
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
        if "properties" not in part:
            return {path}
        assert part["additionalProperties"] is False, f"{path} allows unknown values"
        inner = (
            paths(each, f"{path}.{name}".lstrip(".")) for name, each in part["properties"].items()
        )
        return set().union(*inner)

    return paths(schema, "")
