"""Judge a finished folder as any user would load it: accuracy, size, attributions."""

import json
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoModelForSequenceClassification, AutoTokenizer

from .attribution import explain
from .batches import encode, predict
from .common import LABELS, Row, wilson
from .export import folder_size


@dataclass(frozen=True)
class Score:
    """Accuracy on one set of rows with its 95 % interval."""

    correct: int
    n: int
    low: float
    high: float
    wrong: list[str]

    @property
    def share(self) -> float:
        return self.correct / self.n


def load(folder: Path):
    """Model and tokenizer through the automatic classes, offline."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return model.float().eval(), tokenizer


def score(model, tokenizer, rows: list[Row]) -> Score:
    """Accuracy over `rows`; the misjudged texts are kept for the eye."""
    ids = encode(tokenizer, [row.text for row in rows], tokenizer.model_max_length)
    guesses = predict(model, ids).argmax(-1).tolist()
    wrong = [row.text for row, guess in zip(rows, guesses) if row.label != guess]
    correct = len(rows) - len(wrong)
    return Score(correct, len(rows), *wilson(correct, len(rows)), wrong)


def figures(folder: Path, sets: dict[str, list[Row]], examples: list) -> dict:
    """Every figure of the model card. `examples` are texts or lists of a text's words."""
    model, tokenizer = load(folder)
    _same_tokens(tokenizer, folder, [row.text for rows in sets.values() for row in rows][:500])
    shown = []
    for example in examples:
        words = None if isinstance(example, str) else example
        shown.append(explain(model, tokenizer, example if words is None else "".join(words), words))
    logits = predict(model, encode(tokenizer, [r.text for r in next(iter(sets.values()))], 512))
    return {
        "scores": {name: score(model, tokenizer, rows) for name, rows in sets.items()},
        "examples": shown,
        "largest_logit": logits.abs().max().item(),
        "typical_logit": logits.abs().median().item(),
        "bytes": folder_size(folder, card=False),
        "parameters": sum(p.numel() for p in model.parameters()),
    }


def show(result: dict) -> None:
    """Print the figures for the person at the terminal."""
    for name, value in result["scores"].items():
        print(f"{name}: {value.correct}/{value.n} = {value.share:.4f} [{value.low:.3f}, {value.high:.3f}]")
        if value.n <= 200:
            print("  wrong:", json.dumps(value.wrong, ensure_ascii=False))
    for e in result["examples"]:
        words = ", ".join(f"{word} {number:+.2f}" for word, number in e.top(3))
        print(f"  {LABELS[e.label][:3]} {e.logits[e.label]:+.2f} d={e.delta:.5f}  {e.text}  ->  {words}")
    print({k: v for k, v in result.items() if not isinstance(v, (dict, list))})


def _same_tokens(tokenizer, folder: Path, texts: list[str]) -> None:
    """The automatic class must tokenize exactly as tokenizer.json does by itself."""
    from tokenizers import Tokenizer

    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in texts:
        if plain.encode(text).ids != tokenizer(text)["input_ids"]:
            raise SystemExit(f"tokenizer_config.json changes the tokens of: {text}")
