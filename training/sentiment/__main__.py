"""Command line: train a model, or check a finished folder and refresh its card's figures.

python -m sentiment build en --data DIR --out ../models/sentiment-en
python -m sentiment check en --data DIR --out ../models/sentiment-en
"""

import argparse
from importlib import import_module
from pathlib import Path

from transformers.utils import logging

from . import card, check, examples
from .common import SEED, log, read_tsv, setup
from .export import export

TESTS = Path(__file__).resolve().parent.parent
SETS = {"en": ("sst2/dev.tsv", "plain_en.tsv"), "zh": ("zh-reviews/dev.tsv", "plain_zh.tsv")}
EXAMPLES = {"en": examples.ENGLISH, "zh": examples.CHINESE}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sentiment", description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["build", "check"])
    parser.add_argument("language", choices=["en", "zh"])
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write or check")
    parser.add_argument(
        "--work", type=Path, default=Path("work"), help="teachers and other steps kept between runs"
    )
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    """Run the task; a build ends with the check."""
    arguments = _arguments()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    setup(SEED, arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.task == "build":
        recipe = import_module(f".recipe_{arguments.language}", __package__)

        def save(model, tokenizer):
            size = export(model, tokenizer, arguments.out, recipe.MAX_LENGTH, recipe.LIMIT)
            log(f"{arguments.out.name}: {size} bytes")

        save(*recipe.build(arguments.data, TESTS, arguments.work, save))
    dev, plain = SETS[arguments.language]
    sets = {"dev": read_tsv(arguments.data / dev), "plain": read_tsv(TESTS / plain)}
    result = check.figures(arguments.out, sets, EXAMPLES[arguments.language])
    check.show(result)
    card.refresh(arguments.out / "README.md", result)


if __name__ == "__main__":
    main()
