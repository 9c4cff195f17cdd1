"""Command line: train a model, refine a finished one, or check it and refresh its card's figures.

python -m sentiment build en --data DIR --out ../models/sentiment-en
python -m sentiment refine en --data DIR --start FOLDER --out ../models/sentiment-en
python -m sentiment check en --data DIR --out ../models/sentiment-en
"""

import argparse
from importlib import import_module
from pathlib import Path

from tokenizers import Tokenizer
from transformers.utils import logging

from . import card, check, examples
from .common import SEED, log, read_tsv, setup
from .export import export

TESTS = Path(__file__).resolve().parent.parent
DEV = {"en": "sst2/dev.tsv", "zh": "zh-reviews/dev.tsv"}
PLAIN = {"en": ("plain", "distance"), "zh": ("plain",)}
EXAMPLES = {"en": examples.ENGLISH, "zh": examples.CHINESE}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sentiment", description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["build", "refine", "check"])
    parser.add_argument("language", choices=["en", "zh"])
    parser.add_argument("--data", type=Path, required=True, help="folder with the training data")
    parser.add_argument("--out", type=Path, required=True, help="model folder to write or check")
    parser.add_argument(
        "--start", type=Path, help="model folder that refine starts from (default: the one of --out)"
    )
    parser.add_argument(
        "--work", type=Path, default=Path("work"), help="teachers and other steps kept between runs"
    )
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def _refined(recipe, arguments: argparse.Namespace, save):
    """The last step of a recipe alone, from an exported folder."""
    if not hasattr(recipe, "refine"):
        raise SystemExit(f"the recipe of {arguments.language} has no last step to run alone")
    start = arguments.start or arguments.out
    model, _ = check.load(start)
    tokenizer = Tokenizer.from_file(str(start / "tokenizer.json"))
    return recipe.refine(model, tokenizer, recipe.load(arguments.data, TESTS), save)


def main() -> None:
    """Run the task; a build or a refinement ends with the check."""
    arguments = _arguments()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    setup(SEED, arguments.threads)
    arguments.work.mkdir(parents=True, exist_ok=True)
    recipe = import_module(f".recipe_{arguments.language}", __package__)

    def save(model, tokenizer):
        size = export(model, tokenizer, arguments.out, recipe.MAX_LENGTH, recipe.LIMIT)
        log(f"{arguments.out.name}: {size} bytes")

    if arguments.task == "build":
        save(*recipe.build(arguments.data, TESTS, arguments.work, save))
    if arguments.task == "refine":
        save(*_refined(recipe, arguments, save))
    sets = {"dev": read_tsv(arguments.data / DEV[arguments.language])}
    for name in PLAIN[arguments.language]:
        sets[name] = read_tsv(TESTS / f"{name}_{arguments.language}.tsv")
    result = check.figures(arguments.out, sets, EXAMPLES[arguments.language])
    check.show(result)
    card.refresh(arguments.out / "README.md", result)


if __name__ == "__main__":
    main()
