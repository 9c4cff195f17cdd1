"""Prints every block of the documentation and every command, with what checks it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import blocks
from blocks import Block

# What check.py does with a kind of block.
CHECKS = {
    "console": "run, output compared",
    "json": "compared with the response",
    "jsonc": "compared with the response, or sent as a request",
    "python": "run",
    "toml": "explaind check-config",
    "yaml": "parsed",
    "": "flags compared with --help",
}


def rows(block: Block) -> Iterator[tuple[str, str]]:
    """What is shown, and what checks it."""
    lines = list(blocks.commands(block.code)) if block.kind == "sh" else [first_line(block)]
    for line in lines:
        if block.mark.startswith("not run"):
            yield line, block.mark
        elif block.kind == "sh":
            yield line, blocks.not_run(line) or "run"
        elif block.mark == "shape":
            yield line, "fields and types compared with the response"
        else:
            yield line, CHECKS[block.kind]


def first_line(block: Block) -> str:
    return next(line for line in block.code.splitlines() if line.strip())


def cell(text: str, length: int) -> str:
    shown = text if len(text) <= length else text[: length - 1] + "…"
    return shown.replace("|", "\\|")


print("| Place | Command, or first line of the block | Checked by |\n|---|---|---|")
for path in map(Path, sys.argv[1:]):
    for block in blocks.blocks(path):
        for shown, check in rows(block):
            print(f"| {block.place} | `{cell(shown.strip(), 90)}` | {cell(check, 120)} |")
