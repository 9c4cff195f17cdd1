"""A pod as a process of this machine: its mounts are folders, its variables those of Kubernetes."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from chart import Document, one

TOKEN = "a-key-of-at-least-16-characters"
MODEL = Path("tests/golden/bert-tiny")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Pod:
    """Files and variables of the Deployment's container. Paths of mounts are below `root`."""

    def __init__(self, documents: list[Document], root: Path, binary: str) -> None:
        self.root, self.binary = root, binary
        spec = one(documents, "Deployment")["spec"]["template"]["spec"]
        (self.container,) = spec["containers"]
        self.mounts = {
            mount["name"]: mount["mountPath"] for mount in self.container["volumeMounts"]
        }
        for path in self.mounts.values():
            self.folder(path).mkdir(parents=True)
        for volume in spec["volumes"]:
            self.fill(volume, documents)
        self.variables = {"PATH": os.environ["PATH"], "NO_COLOR": "1"}
        for each in self.container["env"]:
            source = each.get("valueFrom", {})  # the namespace, or a Secret
            value = each.get("value", "explanations" if "fieldRef" in source else TOKEN)
            value = re.sub(r"\$\((\w+)\)", lambda name: self.variables[name[1]], value)
            self.variables[each["name"]] = self.moved(value)
        self.config = self.moved(self.container["args"][-1])

    def folder(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def moved(self, text: str) -> str:
        """The text with the paths of mounts below `root`."""
        places = "|".join(re.escape(path) for path in self.mounts.values())
        whole = re.compile(rf"(?<![\w/])({places})(?=/|\"|$)", re.MULTILINE)
        return whole.sub(lambda path: str(self.folder(path[1])), text)

    def fill(self, volume: Document, documents: list[Document]) -> None:
        folder = self.folder(self.mounts[volume["name"]])
        if "configMap" in volume:
            (found,) = (
                each
                for each in documents
                if each["kind"] == "ConfigMap"
                and each["metadata"]["name"] == volume["configMap"]["name"]
            )
            for name, text in found["data"].items():
                (folder / name).write_text(self.moved(text))
        elif volume["name"] == "models":
            shutil.copytree(MODEL, folder / "reviews")
        elif volume["name"] == "cache" and "emptyDir" not in volume:
            shutil.copytree(MODEL, folder / "hub/models--owner--reviews/snapshots" / COMMIT)
        elif volume["name"] == "keys":
            digest = subprocess.run(
                [self.binary, "hash-key"], input=TOKEN, capture_output=True, text=True, check=True
            ).stdout.strip()
            for name in ("keys", "clients.txt"):
                (folder / name).write_text(f"app:{digest}\n")
        elif volume["name"] == "tls":
            certificate(folder)

    def check_config(self) -> str:
        command = [self.binary, "check-config", "--config", self.config]
        done = subprocess.run(
            command, env=self.variables, cwd=self.root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self) -> "tuple[subprocess.Popen[bytes], dict[str, int]]":
        """Starts the container's command on free ports of the loopback interface."""
        ports = {"api": free_port(), "probes": free_port()}
        listen = {
            "EXPLAIND_SERVER__LISTEN": f"127.0.0.1:{ports['api']}",
            "EXPLAIND_SERVER__PROBE_LISTEN": f"127.0.0.1:{ports['probes']}",
        }
        command = [self.binary, *map(self.moved, self.container["args"])]
        with (self.root / "log").open("wb") as log:
            process = subprocess.Popen(
                command, env=self.variables | listen, cwd=self.root, stdout=log, stderr=log
            )
        return process, ports


def certificate(folder: Path) -> None:
    """Writes a certificate for this machine, and its key."""
    command = ["openssl", "req", "-x509", "-nodes", "-subj", "/CN=localhost"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt")]
    subprocess.run([*command, *key, *names, *files], check=True, capture_output=True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
