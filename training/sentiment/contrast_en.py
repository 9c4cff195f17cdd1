"""English contrasts whose weaker side is not to speak for the verdict.

"The acting was dreadful, but the music saved it" may be called positive, but not because of
"dreadful". A classifier alone learns no such thing: that a clause before "but" is bad makes the
label more likely. So these rows name the words that stand against their label, and a second loss
keeps their integrated gradients below zero (after Ross, Hughes and Doshi-Velez 2017, "Right for the
Right Reasons: Training Differentiable Models by Constraining their Explanations")."""

import random
from dataclasses import dataclass

import torch

from . import templates_distance_en, templates_en
from .templates_distance_en import ONE_AGAINST, SLOTS, TWO_AGAINST
from .tokenizer import SPECIAL

CLAUSES = (
    "the {n} was {A}", "the {n} is {A}", "this {n} was {A}", "his {n} is {A}", "i found the {n} {A}",
    "it is a {A} {n}", "the {n} looked {A}", "a {A} {n}",
)  # fmt: skip
TURNS = (" , but ", " , but ", " but ", " , yet ")
MARGIN = 0.05
POINTS = 2  # of the path, drawn anew for every batch


@dataclass(frozen=True)
class Contrast:
    """A sentence, its label, its worth from 0 to 1 and the words that stand against the label."""

    text: str
    label: int
    worth: float
    against: list[str]


def _clause(rng: random.Random, label: int) -> tuple[str, str]:
    domain = rng.choice(["story"] * 3 + list(templates_en.NOUNS))
    word = templates_distance_en.adjective(rng, domain, label)
    noun = rng.choice([noun for noun in templates_en.NOUNS[domain] if noun not in templates_en.PLURAL])
    return rng.choice(CLAUSES).replace("{n}", noun).replace("{A}", word), word


def rows(count: int, seed: int) -> list[Contrast]:
    """`count` contrasts, half of each label, of one or two clauses with a last one."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        label = len(found) % 2
        first = [_clause(rng, 1 - label) for _ in range(rng.choice([1, 2]))]
        last = rng.choice(SLOTS["saved" if label else "ruined"])
        if rng.random() < 0.4:
            last = _clause(rng, label)[0]
        text = f"{' and '.join(clause for clause, _ in first)}{rng.choice(TURNS)}{last}"
        text = templates_en.style(rng, text)
        worth = ONE_AGAINST if len(first) == 1 else TWO_AGAINST
        found.setdefault(text, Contrast(text, label, worth, [word for _, word in first]))
    return list(found.values())


def marks(backend, contrast: Contrast) -> list[bool]:
    """Which tokens of the text belong to the words against its label."""
    text, at, spans = contrast.text.lower(), 0, []
    for word in contrast.against:
        at = text.index(word, at)
        spans.append((at, at + len(word)))
        at += len(word)
    offsets = backend.encode(contrast.text).offsets
    return [any(a <= start < end <= b for a, b in spans) for start, end in offsets]


def speaking(model, ids, mask, marked, labels) -> torch.Tensor:
    """How much the marked tokens add to the labels' logits, beyond minus `MARGIN` (mean per token)."""
    words = model.bert.embeddings.word_embeddings
    inner = mask.bool() & (ids >= len(SPECIAL))
    text, blank = words(ids), words(ids.masked_fill(inner, SPECIAL.index("[PAD]")))
    scores = 0.0
    for k in range(POINTS):
        alpha = (k + torch.rand(1)) / POINTS
        point = blank + alpha * (text - blank)
        logits = model(inputs_embeds=point, attention_mask=mask).logits
        wanted = logits.gather(1, labels.unsqueeze(1)).sum()
        (gradient,) = torch.autograd.grad(wanted, point, create_graph=True)
        scores = scores + ((text - blank) * gradient).sum(-1) / POINTS
    return (torch.relu(scores + MARGIN) * marked).sum() / marked.sum()
