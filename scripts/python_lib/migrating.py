"""Runs the code blocks of docs/guide/migrating.md, compares their `before` and `after`, and the JSON."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pattern
from explaind import Client

DOCUMENT = Path("docs/guide/migrating.md").read_text()
BLOCK = re.compile(r"^```(python|sh)\n# (before|after)(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r"^```jsonc\n(.*?)^```", re.MULTILINE | re.DOTALL)
SERVICE = re.compile(r"^explaind --model (\S+)=(\S+) &$", re.MULTILINE)


def run(language: str, code: str, shown: list[str]) -> object:
    """Returns a block's variable `before` or `after`, or the importances that it prints as shown."""
    if language == "python":
        names: dict[str, object] = {}
        exec(compile(code, "migrating.md", "exec"), names)
        return names["before"] if "before" in names else names["after"]
    client = Client()
    started = SERVICE.search(code)
    client.load(os.path.abspath(started[2]), id=started[1])
    code = SERVICE.sub("", code).replace("http://127.0.0.1:8080", client.url)
    printed = subprocess.run(["bash", "-euc", code], capture_output=True, text=True, check=True)
    response = json.loads(printed.stdout)
    for excerpt in shown:
        (expected,) = pattern.parse(excerpt)
        assert pattern.matches(expected, response), f"{excerpt}\nis not\n{response}"
    return response["importances"]


def strongest(scores: dict[str, float]) -> str:
    return max(scores, key=lambda word: abs(scores[word])).strip()


def difference(before, after) -> float:
    assert len(before) == len(after), (before, after)
    return max(abs(one - other) for one, other in zip(before, after, strict=True))


def check(how: str, before, after) -> str:
    if how == "strongest":
        assert strongest(before) == strongest(after), (before, after)
        return f"strongest word: {strongest(after)}"
    found, limit = difference(before, after), float(how.removeprefix("equal "))
    assert found <= limit, (found, before, after)
    return f"largest difference: {found:.1e}"


def main(parts: list[str]) -> None:
    sections = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)[1:]
    for section in sections:
        title = section.splitlines()[0]
        how = re.search(r"<!-- check: (.*?) -->", section)[1]
        blocks = {part: (language, code) for language, part, code in BLOCK.findall(section)}
        assert list(blocks) == ["before", "after"], title
        shown = SHOWN.findall(section)
        found = {part: run(blocks[part][0], "#" + blocks[part][1], shown) for part in parts}
        outcome = check(how, **found) if len(found) == 2 else "runs"
        print(f"{title}: {outcome}", flush=True)


main(sys.argv[1:])
