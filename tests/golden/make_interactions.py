"""Make interactions.json of some folders: exact interactions by shapiq, and second differences of two texts.

    EXPLAIND=path/to/explaind python make_interactions.py

The checkpoints are make.py's. Needs shapiq beside requirements.txt. The service is only used for the boundaries of
words.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import shapiq
import torch

from make import write
from reference import Encoded, Reference
from units import Game, Question, Unit, words

HERE = Path(__file__).parent
SINGLE = ("bert-tiny", "roberta-sequence", "deberta-v3-sequence", "modernbert-sequence", "albert-sequence")
TOGETHER = ("bert-nli", "roberta-cross-encoder", "electra-cross-encoder", "deberta-v3-nli")
APART = ("bert-embed", "distilbert-embed", "roberta-embed", "mpnet-embed")
MOST_WORDS = 10


def texts(folder: Path, pair: bool) -> tuple[str, str | None]:
    """The first of the folder's texts, or pairs of texts, that have 4 to 10 words."""
    cases = json.loads((folder / "golden.json").read_text(encoding="utf-8"))["cases"]
    for case in cases:
        text, text_pair = case["text"], case.get("text_pair")
        if pair == (text_pair is not None) and 4 <= len(words(folder, text, text_pair)) <= MOST_WORDS:
            return text, text_pair
    raise ValueError(f"{folder.name} has no such text")


def of_single(folder: Path, reference: Reference) -> dict:
    """k-SII of order 2 of the words, with mask tokens in place of absent ones."""
    text, _ = texts(folder, pair=False)
    question = question_of(folder, reference, text, None, {"index": 0})
    game = Game(question, "word", "mask")
    computer = shapiq.ExactComputer(game=lambda rows: np.array([game(row) for row in rows]), n_players=len(game))
    found = computer("k-SII", order=2)
    count = range(len(game))
    return {
        "text": text,
        "token": game.spread([found[(i,)] for i in count]),
        "pairs": [[i, j, float(found[(i, j)])] for i in count for j in range(i + 1, len(game))],
    }


def question_of(folder: Path, reference: Reference, text: str, text_pair: str | None, target: dict) -> Question:
    encoded = reference.encode(text, text_pair)
    return Question(reference, encoded, "logit", target, 0, words(folder, text, text_pair))


def of_together(folder: Path, reference: Reference) -> dict:
    """Second differences of a model that reads both texts together."""
    text, text_pair = texts(folder, pair=True)
    game = Game(question_of(folder, reference, text, text_pair, {"index": 0}), "word", "mask")

    def without(*absent: int) -> float:
        return game([unit not in absent for unit in range(len(game))])

    first, second = ([i for i, unit in enumerate(game.units) if unit.segment == segment] for segment in (0, 1))
    scores = [[game.full - without(i) - without(j) + without(i, j) for j in second] for i in first]
    token = game.spread([game.full - without(i) for i in range(len(game))])
    return {"text": text, "text_pair": text_pair, "token": token, "scores": scores}


def of_apart(folder: Path, reference: Reference) -> dict:
    """Second differences of the cosine of two embeddings. Each pair is embedded anew."""
    text, text_pair = texts(folder, pair=True)
    units = words(folder, text, text_pair)
    encoded = reference.encode(text), reference.encode(text_pair)
    first, second = ([unit for unit in units if unit.segment == segment] for segment in (0, 1))
    # Tokens of the second text are counted from the start of both.
    start = len(encoded[0].tokens)
    second = [Unit(unit.text, tuple(token - start for token in unit.tokens), 1) for unit in second]

    def value(i: Unit | None, j: Unit | None) -> float:
        u, v = embedding(reference, encoded[0], i), embedding(reference, encoded[1], j)
        return torch.cosine_similarity(u, v, dim=0, eps=0.0).item()

    def score(i: Unit, j: Unit) -> float:
        return value(None, None) - value(i, None) - value(None, j) + value(i, j)

    return {"text": text, "text_pair": text_pair, "scores": [[score(i, j) for j in second] for i in first]}


@torch.no_grad()
def embedding(reference: Reference, encoded: Encoded, absent: Unit | None) -> torch.Tensor:
    ids = encoded.input_ids.clone()
    if absent is not None:
        ids[0, list(absent.tokens)] = reference.tokenizer.mask_token_id
    embeddings, _ = reference.predict(encoded.with_ids(ids))
    return embeddings["embedding"]


def main() -> None:
    torch.set_num_threads(1)
    made_with = {package: version(package) for package in ("torch", "transformers", "shapiq")}
    for names, of_folder in ((SINGLE, of_single), (TOGETHER, of_together), (APART, of_apart)):
        for name in names:
            case = of_folder(HERE / name, Reference(HERE / name, torch.float64))
            write(HERE / name / "interactions.json", {"made_with": made_with, "cases": [case]}, "pairs")
            print(name, case["text"], case.get("text_pair"))


if __name__ == "__main__":
    main()
