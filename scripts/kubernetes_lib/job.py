"""Checks the Indexed Job of deploy/kubernetes-batch, and runs the command of each of its pods."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import parts
import schemas
import yaml
from chart import Document, one

FOLDER = Path("deploy/kubernetes-batch")
GUIDE = Path("docs/guide/batch.md")
PLACE = "../explaind/deploy/kubernetes-batch"
"""The path to FOLDER in the overlay of the guide."""
OVERLAY = re.compile(r"^```yaml\n(resources: .*?)^```", re.MULTILINE | re.DOTALL)
ROWS = 10


def check(binary: str) -> str:
    """Says what was checked and run."""
    job = built(f"resources: [{PLACE}]\n")
    check_job(job)
    (overlay,) = OVERLAY.findall(GUIDE.read_text())
    changed = built(overlay)
    check_job(changed)
    image = container_of(changed)["image"]
    assert image.startswith("registry.example.org/explaind:"), image
    version = tomllib.loads(Path("Cargo.toml").read_text())["package"]["version"]
    assert container_of(job)["image"] == f"explaind:{version}"
    pods = run(job, binary)
    return f"the Job of {FOLDER} is valid; the commands of its {pods} pods explained each row once"


def built(kustomization: str) -> list[Document]:
    """The objects of an overlay, which kubectl builds. Without it, those of the folder."""
    if not shutil.which("kubectl"):
        print("not run: kubectl kustomize, as there is no kubectl")
        names = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
        return [yaml.safe_load((FOLDER / name).read_text()) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        place = os.path.relpath(FOLDER, Path(folder).resolve())
        (Path(folder) / "kustomization.yaml").write_text(kustomization.replace(PLACE, place))
        command = ["kubectl", "kustomize", folder]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def container_of(documents: list[Document]) -> Document:
    (container,) = one(documents, "Job")["spec"]["template"]["spec"]["containers"]
    return container


def check_job(documents: list[Document]) -> None:
    """The objects are valid and fit together, and there are as many pods as shards."""
    assert sum(map(schemas.check, documents)) == 2 * len(documents)
    job, policy = one(documents, "Job")["spec"], one(documents, "NetworkPolicy")["spec"]
    pod, container = job["template"]["spec"], container_of(documents)
    parts.check_security(pod, container)
    (spread,) = pod["topologySpreadConstraints"]
    labels = job["template"]["metadata"]["labels"].items()
    for selector in (policy["podSelector"], spread["labelSelector"]):
        wanted = selector["matchLabels"].items()
        assert wanted and wanted <= labels, selector
    assert not policy["ingress"] and not policy["egress"]
    assert {each["name"] for each in pod["volumes"]} == {"data"}
    (mount,) = container["volumeMounts"]
    paths = [value for flag, value in flags(container).items() if flag in ("--input", "--output")]
    assert len(paths) == 2 and all(path.startswith(f"{mount['mountPath']}/") for path in paths)
    assert flags(container)["--shard"] == f"$(JOB_COMPLETION_INDEX)/{job['completions']}"
    assert job["parallelism"] <= job["completions"]
    rules = job["podFailurePolicy"]["rules"]
    assert pod["restartPolicy"] == "Never", "what a policy for failures needs"
    codes = {rule["action"]: rule["onExitCodes"]["values"] for rule in rules[1:]}
    assert codes == {"FailIndex": [3], "FailJob": [2]}
    assert all(rule["onExitCodes"]["containerName"] == container["name"] for rule in rules[1:])


def flags(container: Document) -> dict[str, str]:
    command, *given = container["args"]
    assert command == "batch"
    return dict(argument.split("=", 1) for argument in given)


def run(documents: list[Document], binary: str) -> int:
    """Runs the command of each pod as Kubernetes does, and returns how many there are."""
    container = container_of(documents)
    (mount,) = (each["mountPath"] for each in container["volumeMounts"])
    completions = one(documents, "Job")["spec"]["completions"]
    with tempfile.TemporaryDirectory() as root:
        data = Path(root) / mount.lstrip("/")
        data.mkdir()
        rows = [json.dumps({"id": f"row {n}", "text": f"a good film ({n})"}) for n in range(ROWS)]
        (data / Path(flags(container)["--input"]).name).write_text("\n".join(rows))
        for index in range(completions):
            variables = {each["name"]: each["value"] for each in container["env"]}
            variables |= {"JOB_COMPLETION_INDEX": str(index)}
            command = [
                re.sub(r"\$\((\w+)\)", lambda name: variables[name[1]], argument).replace(  # noqa: B023
                    f"={mount}/", f"={data}/"
                )
                for argument in container["args"]
            ]
            done = subprocess.run(
                [binary, *command], env=variables, cwd=root, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
        outputs = sorted(data.glob(f"results-*-of-{completions:05}.jsonl"))
        assert len(outputs) == completions, outputs
        found = [json.loads(line)["id"] for each in outputs for line in each.open()]
    assert sorted(found) == sorted(f"row {n}" for n in range(ROWS)), found
    return completions
