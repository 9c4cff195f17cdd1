"""Checks that the objects of a release fit together, and that its pods are locked down."""

from pathlib import Path

import yaml
from chart import Document, one

SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "runAsGroup": 10001,
    "fsGroup": 10001,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def check(documents: list[Document]) -> None:
    deployment, service = one(documents, "Deployment"), one(documents, "Service")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    check_security(pod, container)
    check_times(pod, container)
    check_volumes(pod, container)
    check_selectors(documents, deployment, service)
    check_ports(documents, container, service, ports)
    check_scalers(documents, deployment)
    check_monitoring(documents, service, ports)


def check_selectors(documents: list[Document], deployment: Document, service: Document) -> None:
    """Whatever selects pods selects those of the Deployment."""
    template = deployment["spec"]["template"]
    spread = template["spec"]["topologySpreadConstraints"]
    assert len(spread) == 2
    selectors = [
        deployment["spec"]["selector"],
        {"matchLabels": service["spec"]["selector"]},
        one(documents, "PodDisruptionBudget")["spec"]["selector"],
        one(documents, "NetworkPolicy")["spec"]["podSelector"],
        *(each["labelSelector"] for each in spread),
    ]
    for selector in selectors:
        wanted = selector["matchLabels"].items()
        assert wanted and wanted <= template["metadata"]["labels"].items(), selector


def check_ports(
    documents: list[Document], container: Document, service: Document, ports: dict[str, int]
) -> None:
    """Probes use the port of the probes, and all ports that are named exist."""
    for kind in ("startup", "readiness", "liveness"):
        assert container[f"{kind}Probe"]["httpGet"]["port"] == "probes", kind
    assert all(port["targetPort"] in ports for port in service["spec"]["ports"])
    for rule in one(documents, "NetworkPolicy")["spec"]["ingress"]:
        assert rule["from"] and all(port["port"] in ports for port in rule["ports"]), rule


def check_scalers(documents: list[Document], deployment: Document) -> None:
    """Either the autoscaler or the Deployment sets the number of pods."""
    scalers = [each for each in documents if each["kind"] == "HorizontalPodAutoscaler"]
    assert bool(scalers) != ("replicas" in deployment["spec"])
    for scaler in scalers:
        target = scaler["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) == ("Deployment", deployment["metadata"]["name"])


def check_security(pod: Document, container: Document) -> None:
    assert pod["securityContext"] == SECURITY
    assert container["securityContext"] == CONTAINER_SECURITY
    assert pod["automountServiceAccountToken"] is False
    assert container["resources"]["limits"]["memory"]


def check_times(pod: Document, container: Document) -> None:
    """The lame duck is as long as the drain, and the pod is killed after both."""
    variables = {each["name"]: each.get("value") for each in container["env"]}
    lame_duck, drain = (
        int(variables[f"EXPLAIND_SERVER__{key}_MS"]) for key in ("LAME_DUCK", "DRAIN")
    )
    assert lame_duck == drain
    assert pod["terminationGracePeriodSeconds"] * 1000 >= lame_duck + drain + 5000


def check_volumes(pod: Document, container: Document) -> None:
    """Each volume is mounted, and only the cache can be written."""
    volumes = {volume["name"] for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert volumes == set(mounts)
    assert all(mount["readOnly"] for name, mount in mounts.items() if name != "cache")


def check_monitoring(documents: list[Document], service: Document, ports: dict[str, int]) -> None:
    """Alerts and dashboard are those of deploy/, and the job that they select is the monitor's."""
    if not any(each["kind"] == "ServiceMonitor" for each in documents):
        return
    monitor = one(documents, "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert all(endpoint["targetPort"] in ports for endpoint in monitor["endpoints"])
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "explaind"
    alerts = yaml.safe_load(Path("deploy/alerts.yml").read_text())
    assert one(documents, "PrometheusRule")["spec"] == alerts
    (dashboard,) = (each for each in documents if "grafana_dashboard" in each["metadata"]["labels"])
    assert dashboard["data"] == {
        "explaind.json": Path("deploy/grafana/dashboards/explaind.json").read_text()
    }
