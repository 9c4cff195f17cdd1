"""Chinese: masked-character pre-training on the reviews, then their labels."""

from pathlib import Path

import torch

from . import augment, masked, student, templates_zh, tokenizer
from .batches import Batches, encode, reporter
from .common import SEED, Row, log, read_tsv
from .loop import fit

SHAPE = student.Shape(layers=4, hidden=160, heads=5, inner=512, positions=192)
MAX_LENGTH, LIMIT, AT_LEAST = 192, 4_000_000, 3
SMOOTH = 0.06
MASKED_EPOCHS, EPOCHS, RATE = 6, 3, 5e-4


def load(data: Path, tests: Path) -> dict:
    """Labelled reviews and the rows kept for testing."""
    return {
        "train": read_tsv(data / "zh-reviews" / "train.tsv"),
        "dev": read_tsv(data / "zh-reviews" / "dev.tsv"),
        "plain": read_tsv(tests / "plain_zh.tsv"),
    }


def gold_rows(texts: dict, count: int) -> list[Row]:
    """Reviews and templates, none of which is a test sentence."""
    held = {augment.normal(row.text) for row in texts["dev"] + texts["plain"]}
    rows = texts["train"] + templates_zh.rows(count, SEED)
    return [row for row in rows if augment.normal(row.text) not in held]


def graded(texts: dict) -> list[tuple[str, float]]:
    """Template texts with their share of POSITIVE, none of which is a test sentence."""
    held = {augment.normal(row.text) for row in texts["dev"] + texts["plain"]}
    rows = templates_zh.grades(5_000, SEED)
    return [(text, share) for text, share in rows if augment.normal(text) not in held]


def make_tokenizer(texts: dict):
    """Every character that the reviews use at least a few times."""
    plain = [row.text for row in templates_zh.rows(20_000, SEED)] * AT_LEAST
    return tokenizer.build(tokenizer.characters([r.text for r in texts["train"]] + plain, AT_LEAST))


def pretrained(texts: dict, backend, work: Path):
    """The student after masked-character training, kept in `work`.

    Dropout waits for the labels: the texts are too many for so small a model to learn by heart."""
    path = work / "masked-zh.pt"
    if not path.exists():
        model = student.create(SHAPE, backend.get_vocab_size(), dropout=0.0)
        own = tokenizer.wrap(backend, MAX_LENGTH)
        ids = encode(own, [row.text for row in gold_rows(texts, 4_000)], MAX_LENGTH)
        log(f"{len(ids)} texts, {sum(map(len, ids))} tokens, {backend.get_vocab_size()} pieces")
        masked.pretrain(model, ids, epochs=MASKED_EPOCHS, lr=1.5e-3, seed=SEED)
        torch.save(model.state_dict(), path)
    torch.manual_seed(SEED)  # the same start whether or not the step was kept
    model = student.create(SHAPE, backend.get_vocab_size(), dropout=0.1)
    model.load_state_dict(torch.load(path))
    return model


def build(data: Path, tests: Path, work: Path, save):
    """Train the student; `save` keeps it after every epoch. Returns it with its tokenizer."""
    texts = load(data, tests)
    backend = make_tokenizer(texts)
    own = tokenizer.wrap(backend, MAX_LENGTH)
    model = pretrained(texts, backend, work)
    gold = gold_rows(texts, 6_000)
    rows = [(row.text, 1 - SMOOTH if row.label else SMOOTH) for row in gold] + graded(texts)
    empty = student.empty_rows(80)
    ids = encode(own, [text for text, _ in rows], MAX_LENGTH) + empty
    target = torch.tensor([[1 - p, p] for _, p in rows] + [[0.5, 0.5]] * len(empty))

    def loss_of(model, batch, mask, index):
        logits = model(input_ids=batch, attention_mask=mask).logits.float()
        return torch.nn.functional.cross_entropy(logits, target[index])

    model = fit(
        model,
        Batches(ids, tokens=3072, rows=96, seed=SEED),
        loss_of,
        epochs=EPOCHS,
        lr=RATE,
        name="student",
        ema=0.99,
        bf16=False,
        after_epoch=reporter(texts, own, MAX_LENGTH, lambda model: save(model, backend)),
    )
    return model, backend
