"""Generate the corpus of a built-in model: short training samples, balanced over the labels.

python -m sentiment.corpus en > ../models/sentiment-en/corpus.jsonl

The samples are template sentences from the training recipe. They belong to this project, while the treebank and the
reviews must not be redistributed. `--data TRAIN.tsv` (one text and label per line) draws samples from that file
instead. The draw is seeded: the same source gives the same corpus.
"""

import argparse
import json
import random
from importlib import import_module
from pathlib import Path

from .augment import normal
from .common import LABELS, SEED, Row, read_tsv

SAMPLES = 500
TESTS = Path(__file__).resolve().parent.parent
# Number of template sentences, and allowed lengths in English words or Chinese characters.
TEMPLATES = {"en": 8_000, "zh": 6_000}
LENGTHS = {"en": range(4, 15), "zh": range(6, 33)}


def _source(language: str, data: Path | None) -> list[Row]:
    if data is not None:
        return read_tsv(data)
    templates = import_module(f".templates_{language}", __package__)
    held = {normal(row.text) for path in TESTS.glob(f"*_{language}.tsv") for row in read_tsv(path)}
    return [row for row in templates.rows(TEMPLATES[language], SEED) if normal(row.text) not in held]


def samples(language: str, rows: list[Row]) -> list[dict]:
    """Return equally many distinct samples per label, shuffled."""
    rows, fitting, seen = rows[:], {label: [] for label in LABELS}, set()
    generator = random.Random(SEED)
    generator.shuffle(rows)
    for row in rows:
        length = len(row.text.split()) if language == "en" else len(row.text)
        if length in LENGTHS[language] and normal(row.text) not in seen:
            seen.add(normal(row.text))
            fitting[row.label].append(row)
    chosen = [row for some in fitting.values() for row in some[: SAMPLES // len(LABELS)]]
    generator.shuffle(chosen)
    return [
        {"id": f"{language}-{number}", "text": row.text, "label": LABELS[row.label]}
        for number, row in enumerate(chosen, 1)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("language", choices=sorted(TEMPLATES))
    parser.add_argument("--data", type=Path, help="labelled sentences (TSV) to draw from")
    arguments = parser.parse_args()
    for sample in samples(arguments.language, _source(arguments.language, arguments.data)):
        print(json.dumps(sample, ensure_ascii=False))


if __name__ == "__main__":
    main()
