"""What is generated from the chart: deploy/kustomize, and the table of values in the documentation.

The base is the chart with its defaults. A component is what the values of one case add to it: new
objects as resources, and changed ones as patches. Run as a program, this writes all of it.
"""

import re
import shutil
from pathlib import Path

import yaml
from chart import CHART, Document, cases, key, leaves, render

KUSTOMIZE = Path("deploy/kustomize")
COMPONENTS = ("monitoring", "queued-work")
GUIDE = Path("docs/guide/kubernetes.md")
MARKS = ("<!-- values -->\n", "<!-- end of values -->\n")
BASE = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
COMPONENT = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
HEADER = "# Written by scripts/kubernetes-test --write.\n"


class Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks."""


def as_block(dumper: Dumper, text: str) -> yaml.Node:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


Dumper.add_representer(str, as_block)


def dump(document: Document) -> str:
    return HEADER + yaml.dump(document, Dumper=Dumper, sort_keys=False, width=110)


def comparable(documents: list[Document]) -> dict[tuple[str, str], Document]:
    """The objects without the checksum, as kustomize renames the ConfigMap instead."""
    for document in documents:
        if document["kind"] == "Deployment":
            document["spec"]["template"]["metadata"].pop("annotations")
    return {key(document): document for document in documents}


def files() -> dict[Path, str]:
    """The files of deploy/kustomize."""
    base = comparable(render({}))
    written = folder(KUSTOMIZE / "base", base, {}, BASE)
    for name in COMPONENTS:
        other = comparable(render(cases()[name]))
        assert base.keys() <= other.keys()
        added = {each: document for each, document in other.items() if each not in base}
        changed = {
            each: document
            for each, document in other.items()
            if base.get(each, document) != document
        }
        written |= folder(KUSTOMIZE / name, added, changed, COMPONENT)
    return written


def folder(path: Path, added: dict, changed: dict, head: Document) -> dict[Path, str]:
    """The files of one folder. With a generated ConfigMap, changes restart the pods."""
    written, kustomization = {}, dict(head)
    for (kind, name), document in added.items():
        if (kind, name) == ("ConfigMap", "explaind"):
            labels = {"labels": document["metadata"]["labels"]}
            generator = {"name": name, "options": labels, "files": list(document["data"])}
            kustomization["configMapGenerator"] = [generator]
            written |= {path / file: text for file, text in document["data"].items()}
        else:
            file = f"{kind.lower()}.yaml"
            assert path / file not in written
            kustomization.setdefault("resources", []).append(file)
            written[path / file] = dump(document)
    for (kind, _), document in changed.items():
        file = f"{kind.lower()}.yaml"
        kustomization.setdefault("patches", []).append({"path": file})
        written[path / file] = dump(document)
    return written | {path / "kustomization.yaml": dump(kustomization)}


def table() -> str:
    """The values with their defaults and descriptions, which are the comments before them."""
    text = (CHART / "values.yaml").read_text()
    described, path = {}, []
    comment = None
    for line in text.splitlines():
        if found := re.match(r"\s*# -- (.*)", line):
            comment = found[1]
        elif found := re.match(r"( *)(\w+):", line):
            path = [*path[: len(found[1]) // 2], found[2]]
            if comment:
                described[".".join(path)] = comment
            comment = None
    defaults = leaves(yaml.safe_load(text))
    assert described.keys() == defaults.keys(), described.keys() ^ defaults.keys()
    rows = [
        f"| `{path}` | {shown(defaults[path])} | {meaning} |" for path, meaning in described.items()
    ]
    return "\n".join(["| Value | Default | Meaning |", "|---|---|---|", *rows, ""])


def shown(value: object) -> str:
    if value in ("", [], {}):
        return ""
    if isinstance(value, str):
        return f"`{' '.join(value.split())}`"
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    line, *_ = text.splitlines()  # a scalar is followed by "..."
    return f"`{line}`"


def guide() -> str:
    """The guide with the current table."""
    start, end = MARKS
    before, rest = GUIDE.read_text().split(start)
    return before + start + "\n" + table() + "\n" + end + rest.split(end)[1]


def check() -> None:
    """Fails if a generated file is not what the chart renders, or if there are others."""
    wanted = files()
    found = {path for path in KUSTOMIZE.rglob("*") if path.is_file()}
    stale = [path for path, text in wanted.items() if path not in found or path.read_text() != text]
    stale += found - wanted.keys()
    if GUIDE.read_text() != guide():
        stale.append(GUIDE)
    assert not stale, f"run scripts/kubernetes-test --write: {', '.join(map(str, sorted(stale)))}"


if __name__ == "__main__":
    shutil.rmtree(KUSTOMIZE, ignore_errors=True)
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    GUIDE.write_text(guide())
