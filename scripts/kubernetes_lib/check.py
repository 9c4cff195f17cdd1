"""Runs all checks of the chart and of what is generated from it; see scripts/kubernetes-test."""

import sys
import tempfile
import tomllib
from pathlib import Path

import chart
import generated
import helm_python
import job
import kustomize
import parts
import schemas
import service
import yaml
from pod import COMMIT, Pod

binary = sys.argv[1]
REJECTED = [
    ({"replica": 2}, "replica"),
    ({"replicas": "two"}, "replicas"),
    ({"models": [{"id": "a", "source": "hf:owner/name"}], "hub": {"download": True}}, "source"),
    (
        {"models": [{"id": "a", "source": "hf:owner/name@main"}], "hub": {"download": True}},
        "source",
    ),
    ({"models": [{"id": "a", "source": "/etc/passwd"}], "modelVolume": {"emptyDir": {}}}, "source"),
    ({"models": [{"id": "a", "source": f"hf:owner/name@{COMMIT}"}]}, "hub.cacheVolume"),
    ({"models": [{"id": "a", "source": "/mnt/models/a"}]}, "modelVolume"),
    ({"image": {"digest": "sha256:abc"}}, "digest"),
]


def egress(documents: list[chart.Document]) -> list:
    return chart.one(documents, "NetworkPolicy")["spec"]["egress"]


def check_chart() -> dict[str, list[chart.Document]]:
    """Checks the values, and returns what each case renders."""
    defaults = chart.leaves(yaml.safe_load((chart.CHART / "values.yaml").read_text()))
    allowed = chart.schema_paths()
    assert defaults.keys() == allowed, defaults.keys() ^ allowed
    version = tomllib.loads(Path("Cargo.toml").read_text())["package"]["version"]
    about = chart.chart().metadata
    assert (about["version"], about["appVersion"]) == (version, version), about
    for values, reason in REJECTED:
        chart.rejects(values, reason)
    rendered = {}
    for name, values in chart.cases().items():
        chart.lint(values)
        rendered[name] = chart.render(values)
    # Only a download needs the network.
    allows_egress = {name for name, documents in rendered.items() if egress(documents)}
    assert allows_egress == {"hub-download"}, allows_egress
    return rendered


def check_service(rendered: dict[str, list[chart.Document]]) -> int:
    """Runs the distinct pods that need no network, and returns how many."""
    ran, metrics = [], ""
    for name, documents in rendered.items():
        spec = chart.one(documents, "Deployment")["spec"]["template"]["spec"]
        with tempfile.TemporaryDirectory() as root:
            pod = Pod(documents, Path(root), binary)
            print(f"{name}: {pod.check_config()}")
            if spec in ran or name == "hub-download":
                continue
            ran.append(spec)
            metrics += service.run(pod, documents, chart.cases()[name])
    scaler = chart.one(rendered["queued-work"], "HorizontalPodAutoscaler")["spec"]["metrics"]
    names = [each["pods"]["metric"]["name"] for each in scaler if each["type"] == "Pods"]
    assert names and all(f"\n{name} " in metrics for name in names), names
    return len(ran)


schemas.check_strictness()
rendered = check_chart()
helm = helm_python.helm_sdk_version()
print(f"Helm {helm}: {len(rendered)} cases rendered, {len(REJECTED)} rejected")
objects = validations = 0
for documents in rendered.values():
    parts.check(documents)
    objects += len(documents)
    validations += sum(map(schemas.check, documents))
versions = f"{chart.OLDEST}, {chart.NEWEST} and of the operator"
print(f"{objects} objects are valid, by {validations} comparisons with schemas of {versions}")
generated.check()
print(kustomize.check())
print(job.check(binary))
print(f"{check_service(rendered)} services run as rendered")
