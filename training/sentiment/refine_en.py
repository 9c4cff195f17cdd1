"""English, last step: negation at a distance, contrasts and rarer judging words.

The student goes on from where distillation left it, at a low rate. On treebank and snippets
it is to repeat its own logits (averaged with gold labels), so that it forgets nothing; the
labels of the new templates and the valence of the lexicon's words are what it learns."""

import random

import torch

from . import augment, contrast_en, student, templates_distance_en, templates_en, texts_en, tokenizer
from .batches import Batches, encode, predict, reporter
from .common import SEED, Row, log
from .loop import fit

EPOCHS, PASSES, RATE, EMA = 2, 1, 2e-4, 0.98
WORDS_RATE = 6e-4  # a rare word comes up a few dozen times only, and its vector is its own
MAX_LENGTH = 128
GOLD = 1.6  # as in the distillation
STRONG = 1.2  # valence from which a word of the lexicon is trusted
CONTRASTS, SAMPLE, SETTLE_RATE = 1_500, 7_000, 2e-4
AGAINST = 4.0  # weight of the loss on attributions beside that on logits
NEW = 15_000  # template sentences
PHRASES = (
    "{}", "a {} performance", "the acting is {}", "{} dialogue", "it is {}", "she gives a {} performance",
    "he was {} .",
)  # fmt: skip


def _known(texts: dict) -> list[Row]:
    """Gold rows whose target is halfway to the student's own logits."""
    return texts["train"] + templates_en.rows(3_000, SEED + 30)


def _kept(texts: dict) -> list[str]:
    """Texts without a label, on which the student is to stay as it is."""
    train, loose = [row.text for row in texts["train"]], texts["loose"]
    return (
        augment.spans(train, 9_000, 16, SEED + 31)
        + augment.splices(train, 2_500, SEED + 32, texts_en.JOINTS)
        + augment.spans(loose, 4_000, 16, SEED + 33)
        + loose[::8]
    )


def _words() -> list[tuple[str, float]]:
    """Judging words of the lexicon, with a worth from -1 to 1."""
    worth = {word: valence / 3 for word, valence in texts_en.lexicon().items() if abs(valence) >= STRONG}
    return [(word, max(-1.0, min(1.0, value))) for word, value in worth.items()]


def _phrases() -> list[tuple[Row, float]]:
    """Every critics' word alone and in the shortest of phrases."""
    words = [(word, label) for label, some in enumerate(templates_distance_en.CRITICS) for word in some]
    return [(Row(form.format(word), label), 1.0) for word, label in words for form in PHRASES]


def _signed(worth: list[float]) -> torch.Tensor:
    """Logits (NEGATIVE, POSITIVE) of a worth from -1 to 1."""
    return GOLD * torch.tensor(worth).unsqueeze(1) * torch.tensor([-1.0, 1.0])


def _targets(model, own, texts: dict) -> tuple[list[list[int]], torch.Tensor]:
    """Token ids and wanted logits of every text; no sentence kept for testing is among them."""
    known, kept, words = _known(texts), _kept(texts), _words()
    new = templates_distance_en.rows(NEW, SEED + 34) + _phrases()
    everything = [row.text for row in known] + [word for word, _ in words] + kept + [row.text for row, _ in new]
    ids = encode(own, everything, MAX_LENGTH)
    before = len(everything) - len(new)
    labels = _signed([2.0 * row.label - 1 for row in known] + [worth for _, worth in words])
    logits = predict(model, ids[:before]).clone()
    logits[: len(labels)] = (logits[: len(labels)] + labels) / 2
    turns = _signed([(2.0 * row.label - 1) * worth for row, worth in new])
    logits = torch.cat([logits, turns])
    banned = {augment.normal(text) for text in texts_en.held(texts)}
    free = [i for i, text in enumerate(everything) if augment.normal(text) not in banned]
    log(f"refinement: {len(free)} texts, {len(everything) - len(free)} left out as test sentences")
    empty = student.empty_rows(40)
    return [ids[i] for i in free] + empty, torch.cat([logits[free], torch.zeros(len(empty), 2)])


def _settle(model, backend, ids, logits, report, banned: set[str]):
    """Second part: contrasts whose weaker side is not to speak for the label, the short phrases
    once more, and a sample of the first part."""
    contrasts = contrast_en.rows(CONTRASTS, SEED + 37)
    contrasts = [row for row in contrasts if augment.normal(row.text) not in banned]
    phrases = [row for row, _ in _phrases() if augment.normal(row.text) not in banned]
    kept = random.Random(SEED + 38).sample(range(len(ids)), SAMPLE)
    own = tokenizer.wrap(backend, MAX_LENGTH)
    worth = [(2.0 * row.label - 1) * row.worth for row in contrasts]
    signed = _signed(worth + [2.0 * row.label - 1 for row in phrases])
    ids = encode(own, [row.text for row in contrasts + phrases], MAX_LENGTH) + [ids[i] for i in kept]
    logits = torch.cat([signed, logits[kept]])
    marks = [contrast_en.marks(backend, row) for row in contrasts]
    labels = torch.tensor([row.label for row in contrasts])
    model.set_attn_implementation("eager")  # the only one whose gradient has a gradient

    def loss_of(model, batch, mask, index):
        loss = student.logit_loss(model(input_ids=batch, attention_mask=mask).logits, logits[index])
        some = index < len(contrasts)
        if not some.any():
            return loss
        marked = torch.zeros(int(some.sum()), batch.shape[1])
        for row, i in zip(marked, index[some].tolist()):
            row[: len(marks[i])] = torch.tensor(marks[i], dtype=torch.float32)
        said = contrast_en.speaking(model, batch[some], mask[some], marked, labels[index[some]])
        return loss + AGAINST * some.float().mean() * said

    return fit(
        model,
        Batches(ids, tokens=2048, rows=192, seed=SEED + 39),
        loss_of,
        epochs=1,
        lr=SETTLE_RATE,
        name="contrasts",
        ema=0.95,
        bf16=False,
        after_epoch=report,
    )


@torch.no_grad()
def centre(model) -> None:
    """Move the classifier's bias so that texts of [PAD] alone have logits of mean zero: new
    texts shift it, and the baseline of integrated gradients should speak for no label."""
    model.classifier.bias -= predict(model, student.empty_rows(40, 1)).mean(0)


def refine(model, backend, texts: dict, save):
    """Go on training `model`; `save` keeps it after every epoch. Returns it with its tokenizer."""
    torch.manual_seed(SEED + 35)
    own = tokenizer.wrap(backend, MAX_LENGTH)
    ids, logits = _targets(model, own, texts)

    report = reporter(texts, own, MAX_LENGTH, lambda model: save(model, backend))
    words = model.bert.embeddings.word_embeddings.weight
    others = [parameter for parameter in model.parameters() if parameter is not words]

    def loss_of(model, batch, mask, index):
        return student.logit_loss(model(input_ids=batch, attention_mask=mask).logits, logits[index])

    model = fit(
        model,
        Batches(ids, tokens=2048, rows=192, seed=SEED + 36),
        loss_of,
        epochs=EPOCHS,
        lr=RATE,
        name="refinement",
        groups=[{"params": [words], "lr": WORDS_RATE}, {"params": others, "lr": RATE}],
        ema=EMA,
        bf16=False,
        passes=PASSES,
        after_epoch=report,
    )
    banned = {augment.normal(text) for text in texts_en.held(texts)}
    model = _settle(model, backend, ids, logits, report, banned)
    centre(model)
    return model, backend
