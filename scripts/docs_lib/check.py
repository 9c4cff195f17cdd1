"""Runs the commands of the documentation, and compares the JSON and the output that it shows."""

import ast
import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import blocks
import pattern
import yaml
from blocks import Block

URL = os.environ["EXPLAIND_URL"]
WORK = Path(os.environ["DOCS_WORK"])
TEXT = "This movie is really great."


class Document:
    """Checks the blocks of one document, which may refer to what earlier ones printed."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts
        self.printed: list[object] = []
        self.names: dict[str, object] = {}
        self.variables = ""

    def check(self, block: Block) -> None:
        if block.mark.startswith("not run"):
            self.counts["not run"] += 1
            return
        kind = block.kind or "usage"
        getattr(self, f"check_{kind}")(block)
        self.counts[kind] += 1

    def check_sh(self, block: Block) -> None:
        for command in blocks.commands(block.code):
            if blocks.not_run(command):
                self.counts["commands not run"] += 1
            elif re.match(r"\w+='", command):
                self.variables += command + "\n"
            else:
                self.counts["commands"] += 1
                printed = values(run(self.variables + command))
                if block.mark != "hidden":
                    check_accepted(printed)
                self.printed += printed

    def check_console(self, block: Block) -> None:
        command, shown = block.code.removeprefix("$ ").split("\n", 1)
        printed = run(command)
        # Long lines are broken in the documentation.
        excerpt, found = (" ".join(text.split()) for text in (shown, printed))
        assert pattern.text_matches(excerpt, found), f"prints\n{printed}"

    def check_jsonc(self, block: Block) -> None:
        for excerpt in pattern.parse(block.code):
            if isinstance(excerpt, dict) and "inputs" in excerpt:
                post(excerpt)
                continue
            found = any(
                pattern.matches(excerpt, part, shape=block.mark == "shape")
                for value in self.printed
                for part in pattern.parts(value)
            )
            assert found, f"no command before it prints\n{json.dumps(excerpt, default=str)}"

    check_json = check_jsonc

    def check_python(self, block: Block) -> None:
        code = block.code.replace("http://127.0.0.1:8080", URL)
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        compiled = compile(code, block.place, "exec", flags=flags)
        result = eval(compiled, self.names)
        if inspect.iscoroutine(result):
            asyncio.run(result)

    def check_toml(self, block: Block) -> None:
        path = WORK / "block.toml"
        code = block.code.replace("sha256:…", f"sha256:{'0' * 64}")
        path.write_text(
            code.replace("/etc/explaind", str(WORK)).replace("/var/lib/explaind", str(WORK))
        )
        tomllib.loads(path.read_text())
        run(f"explaind check-config --config {path}")

    def check_yaml(self, block: Block) -> None:
        assert yaml.safe_load(block.code)

    def check_usage(self, block: Block) -> None:
        """A list of commands: each exists, with its flags."""
        for usage in re.split(r"^(?=explaind)", block.code, flags=re.MULTILINE)[1:]:
            words = usage.split()
            command = words[1] if words[1].isalpha() or "-" in words[1][1:] else "serve"
            known = run(f"explaind {'serve' if command == '[serve]' else command} --help")
            for flag in re.findall(r"--[a-z-]+", usage):
                assert flag in known, f"{command} has no {flag}"


def run(command: str) -> str:
    """Runs a command of the documentation; returns what it prints."""
    command = re.sub(r"(http://127\.0\.0\.1|\blocalhost):8080", URL, command)
    command = command.replace("Bearer KEY", f"Bearer {os.environ['DOCS_ADMIN_KEY']}")
    # curl before 7.82 has no --json.
    command = re.sub(r"--json (?=['\"])", "-H 'Content-Type: application/json' -d ", command)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], capture_output=True, text=True, cwd=WORK
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def values(printed: str) -> list[object]:
    """The JSON values that a command printed, if it printed JSON."""
    try:
        found = [json.loads(printed)]
    except json.JSONDecodeError:
        try:
            found = [json.loads(line) for line in printed.splitlines()]
        except json.JSONDecodeError:
            return []
    return found


def check_accepted(printed: list[object]) -> None:
    """Fails if a response is a problem."""
    for value in printed:
        status = value.get("status") if isinstance(value, dict) else None
        assert not isinstance(status, int), value


def post(excerpt: dict) -> None:
    """Sends a request of the documentation, which must be accepted."""
    body = json.loads(json.dumps(excerpt, default=float))
    if body["inputs"] == pattern.ANY:
        body["inputs"] = TEXT
    if "candidate_labels" in body:
        body["model"] = "bert-nli"
    request = urllib.request.Request(
        f"{URL}/explain", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(request).read()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{body}: {error.read().decode()}") from error


def missing_links(path: Path) -> list[str]:
    """The relative links of a document to files that do not exist."""
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text())
    relative = [link for link in links if "://" not in link]
    return [link for link in relative if not (path.parent / link).exists()]


def main(paths: list[str]) -> None:
    failed = 0
    total: Counter[str] = Counter()
    for path in map(Path, paths):
        counts: Counter[str] = Counter()
        document = Document(counts)
        for link in missing_links(path):
            failed += 1
            print(f"{path}: {link} does not exist\n")
        for block in blocks.blocks(path):
            try:
                document.check(block)
            except Exception as error:
                failed += 1
                print(f"{block.place}: {type(error).__name__}: {error}\n")
        if counts:
            print(f"{path}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}")
        total += counts
    print(f"in total: {', '.join(f'{count} {kind}' for kind, count in total.items())}")
    sys.exit(f"{failed} failed" if failed else 0)


main(sys.argv[1:])
