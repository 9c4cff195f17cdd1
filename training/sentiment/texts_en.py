"""The English texts: what the teachers are tuned on, and what the student reads."""

from collections import Counter
from pathlib import Path

import torch

from . import augment, teacher, templates_en
from .common import SEED, Row, read_tsv

TESTS = ("dev", "plain", "distance")
JOINTS = [" ", " , ", " but ", " , but ", " and ", " . "]


def lexicon() -> dict[str, float]:
    """Words of the VADER lexicon (plain letters only), each with its valence from -4 to 4."""
    import vaderSentiment

    path = Path(vaderSentiment.__file__).parent / "vader_lexicon.txt"
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return {line[0].lower(): float(line[1]) for line in lines if line[0].isalpha()}


def load(data: Path, tests: Path) -> dict:
    """All texts: labelled, unlabelled, and the rows kept for testing."""
    return {
        "train": read_tsv(data / "sst2" / "train.tsv"),
        "dev": read_tsv(data / "sst2" / "dev.tsv"),
        "plain": read_tsv(tests / "plain_en.tsv"),
        "distance": read_tsv(tests / "distance_en.tsv"),
        "loose": (data / "en-unlabelled" / "snippets.txt").read_text(encoding="utf-8").splitlines(),
    }


def held(texts: dict) -> set[str]:
    """The sentences kept for testing, which nothing may be trained on."""
    return {row.text for name in TESTS for row in texts[name]}


def gold_rows(texts: dict, seed: int, count: int) -> list[Row]:
    """Treebank sentences and templates, none of which is a test sentence."""
    banned = {augment.normal(text) for text in held(texts)}
    rows = texts["train"] + templates_en.rows(count, seed)
    return [row for row in rows if augment.normal(row.text) not in banned]


def neighbours(words: list[str], count: int = 6) -> dict[str, list[str]]:
    """Words whose teacher embeddings are nearest; they may be opposites, but the teachers
    label the changed text."""
    vocabulary = teacher.load_tokenizer().get_vocab()
    words = [word for word in dict.fromkeys(words) if word in vocabulary and word.isalpha() and len(word) > 2]
    every = teacher.Teacher().encoder.embeddings.word_embeddings.weight.detach()
    table = every[[vocabulary[word] for word in words]]
    table = torch.nn.functional.normalize(table, dim=1)
    near = {}
    for start in range(0, len(words), 1000):
        best = (table[start : start + 1000] @ table.T).topk(count + 1).indices[:, 1:]
        near.update({words[start + i]: [words[j] for j in row] for i, row in enumerate(best.tolist())})
    return near


def pool(texts: dict) -> list[str]:
    """Every text the student learns from besides the gold rows."""
    train, loose = [row.text for row in texts["train"]], texts["loose"]
    words = " ".join(train + loose).lower().split()
    near = neighbours([word for word, n in Counter(words).items() if n > 2] + list(lexicon()))
    extra = (
        loose
        + augment.spans(train, 45_000, 16, SEED)
        + augment.spans(loose, 28_000, 16, SEED + 1)
        + augment.splices(train, 9_000, SEED + 2, JOINTS)
        + augment.splices(loose, 5_000, SEED + 4, JOINTS)
        + augment.replacements(train, 20_000, near, SEED + 6)
        + [row.text for row in templates_en.rows(2_000, SEED + 7)]
        + sorted(near)
        + list(lexicon())
    )
    return augment.unique(extra, held(texts))


def all_texts(texts: dict) -> tuple[list[str], list[Row]]:
    """The student's texts; the gold rows are the first of them."""
    gold = gold_rows(texts, SEED + 20, 8_000)
    return [row.text for row in gold] + pool(texts), gold
