"""Small things every stage needs: rows, seeds, the clock and a confidence interval."""

import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch

LABELS = {0: "NEGATIVE", 1: "POSITIVE"}
SEED = 20130


@dataclass(frozen=True)
class Row:
    """A text and its gold label (0 negative, 1 positive)."""

    text: str
    label: int


def read_tsv(path: Path) -> list[Row]:
    """Read `sentence<TAB>label` lines; a header or a broken line is an error, not a row."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text, _, label = line.rpartition("\t")
        if label not in ("0", "1") or not text.strip():
            if number == 1 and label == "label":
                continue
            raise ValueError(f"{path.name}:{number}: expected `sentence<TAB>0|1`")
        rows.append(Row(text.strip(), int(label)))
    return rows


def setup(seed: int = SEED, threads: int = 2) -> None:
    """Fix every source of chance, so that a second run gives the same model."""
    random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)


_START = time.monotonic()


def log(message: str) -> None:
    """Print a line with the seconds since the tool started."""
    print(f"[{time.monotonic() - _START:7.1f}s] {message}", flush=True)


def wilson(correct: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson), honest for small n and near 1."""
    p = correct / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return centre - half, centre + half
