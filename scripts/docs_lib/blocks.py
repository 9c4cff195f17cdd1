"""The blocks of code in the documentation, with the marks that say how they are checked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"<!-- run: (?P<hidden>.*?) -->"
    r"|(?:<!-- (?P<mark>shape|not run: .*?) -->\s*)?^```(?P<kind>\w*)\n(?P<code>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
# Commands that this script cannot run, and why that is no loss.
NOT_RUN = {
    "cargo": "CI builds, tests and runs the program",
    "bash .ci/run": "it is what runs this",
    "benches/run": "it takes an hour",
    "docker": "scripts/container-test",
    "OTEL_EXPORTER_OTLP_ENDPOINT=": "scripts/monitoring-test",
    "pip install": "scripts/python-test",
    "helm": "there is no cluster; scripts/kubernetes-test renders the chart",
    "kubectl": "there is no cluster",
    "explaind --model hf:": "there is no network; tests use a hub of their own",
}


@dataclass(frozen=True)
class Block:
    path: Path
    line: int
    kind: str
    code: str
    mark: str
    """`shape`, `not run: …`, or `hidden` for a command that is not shown."""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


def blocks(path: Path) -> Iterator[Block]:
    text = path.read_text()
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["hidden"] is not None:
            yield Block(path, line, "sh", found["hidden"] + "\n", "hidden")
        else:
            yield Block(path, line, found["kind"], found["code"], found["mark"] or "")


def commands(code: str) -> Iterator[str]:
    """The commands of a block, without the lines that continue them."""
    for command in re.sub(r"\\\n\s*", "", code).splitlines():
        if command.strip() and not command.startswith("#"):
            yield command


def not_run(command: str) -> str | None:
    """Why a command is not run."""
    return next((why for start, why in NOT_RUN.items() if command.startswith(start)), None)
