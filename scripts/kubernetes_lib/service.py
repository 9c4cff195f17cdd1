"""Runs the service of a rendered chart, and asks it as Kubernetes, Prometheus and clients do."""

import http.client
import json
import ssl
import subprocess
import time

from chart import Document, one
from pod import TOKEN, Pod

PATIENCE = 300
"""Seconds that the service has to start on a busy machine."""
TEXT = json.dumps({"inputs": "This movie is really great."})


def run(pod: Pod, documents: list[Document], values: dict) -> str:
    """Returns the metrics that the service exposes."""
    process, ports = pod.start()
    try:
        wait_until_ready(pod, process, ports)
        for kind in ("startup", "readiness", "liveness"):
            probe = pod.container[f"{kind}Probe"]["httpGet"]
            assert ask(ports[probe["port"]], probe["path"])[0] == 200, kind
        check_api(pod, ports["api"], one(documents, "Service")["metadata"]["name"], values)
        status, metrics = ask(ports["probes"], "/metrics")
        assert status == 200
        return metrics
    except Exception:
        print((pod.root / "log").read_text())
        raise
    finally:
        process.kill()
        process.wait()


def wait_until_ready(pod: Pod, process: "subprocess.Popen[bytes]", ports: dict[str, int]) -> None:
    probe = pod.container["startupProbe"]["httpGet"]
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, "the service ended"
        try:
            if ask(ports[probe["port"]], probe["path"])[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("the service does not become ready")


def check_api(pod: Pod, port: int, name: str, values: dict) -> None:
    """The names of the Service are accepted, others are not; keys are required if there are any."""
    tls = pod.folder("/etc/explaind/tls/tls.crt") if "tls" in values else None
    key = {"Authorization": f"Bearer {TOKEN}"}
    for host in (
        name,
        f"{name}.explanations",
        f"{name}.explanations.svc.cluster.local",
        *values.get("hosts", []),
    ):
        status, answer = ask(port, "/explain", {"Host": host, **key}, TEXT, tls)
        assert status == 200, f"{host}: {answer}"
    assert ask(port, "/explain", {"Host": "rebound.example", **key}, TEXT, tls)[0] == 421
    without_key = ask(port, "/explain", {"Host": name}, TEXT, tls)[0]
    assert without_key == (401 if "keys" in values else 200), without_key

    models = json.loads(ask(port, "/models", {"Host": name, **key}, tls=tls)[1])["models"]
    expected = [model["id"] for model in values.get("models", [])] or [
        "sentiment-en",
        "sentiment-zh",
    ]
    assert [model["id"] for model in models] == expected, models


def ask(
    port: int,
    path: str,
    headers: dict[str, str] | None = None,
    body: str | None = None,
    tls: object = None,
) -> tuple[int, str]:
    """The status and body of the response. `tls` is the certificate to trust, if TLS is used."""
    if tls:
        context = ssl.create_default_context(cafile=str(tls))
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    kind = {"Content-Type": "application/json"} if body else {}
    connection.request("POST" if body else "GET", path, body, {**kind, **(headers or {})})
    response = connection.getresponse()
    answer = response.status, response.read().decode()
    connection.close()
    return answer
