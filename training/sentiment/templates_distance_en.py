"""English sentences whose negation stands far from the word it turns, contrasts, critics' words.

A frame is a sentence with slots, and its first character says what becomes of the polarity
of the adjective {A} or the verb {V} ({v}) in it: "=" keeps it, "!" turns it; "+" and "-" are
frames of fixed polarity. {B} is an adjective of the polarity of {A}, {g} and {b} are always a
positive and a negative one."""

import random

from . import frames_en, templates_en, words_en
from .common import Row
from .templates_en import NEGATIVE, NOUNS, PLURAL, POSITIVE, TURNS


def _split(text: str) -> list[str]:
    return [word.strip() for word in text.split("|")]


# Adjectives and verbs by label, 0 then 1.
CRITICS = [_split(words_en.CRITICS_NEGATIVE), _split(words_en.CRITICS_POSITIVE)]
VERBS = [
    [tuple(pair.split("/")) for pair in _split(text)]
    for text in (words_en.VERBS_NEGATIVE, words_en.VERBS_POSITIVE)
]
FRAMES = [(line[0], line[2:]) for line in frames_en.FRAMES.strip().splitlines()]
# Plain frames twice: a word is learnt best where nothing turns it.
FRAMES += [frame for frame in FRAMES if frame[0] == "="]
SLOTS = {name: _split(text) for name, text in frames_en.SLOTS.items()}
# What a contrast of one or two clauses with the last is worth, beside 1 for a plain sentence:
# the weaker side still counts, and explanations should say so.
ONE_AGAINST, TWO_AGAINST = 0.6, 0.35
GLUE = {"and": [" and ", " , ", " . "], "but": [f" {turn} " for turn in TURNS]}


def adjective(rng: random.Random, domain: str, label: int) -> str:
    """An adjective that can stand before a noun: no "a mess", no superlative."""
    if domain in ("story", "people") and rng.random() < 0.8:
        return rng.choice(CRITICS[label])
    table = POSITIVE if label else NEGATIVE
    words = table["any"] + table[domain]
    return rng.choice([word for word in words if not word.startswith(templates_en.FIXED)])


def _frame(rng: random.Random, label: int) -> str:
    """One frame of polarity `label`, its slots filled."""
    kind, text = rng.choice(FRAMES)
    while kind in "+-" and (kind == "+") != bool(label):
        kind, text = rng.choice(FRAMES)
    inner = 1 - label if kind == "!" else label
    domain = rng.choice(["story"] * 5 + list(NOUNS))
    nouns = [noun for noun in NOUNS[domain] if noun not in PLURAL]
    noun = rng.choice(nouns)
    verb = rng.choice(VERBS[inner])
    text = text.replace("{N}", f"{rng.choice(['the', 'the', 'this', 'that', 'her', 'his', 'their'])} {noun}", 1)
    text = text.replace("{n}", rng.choice(nouns)).replace("{V}", verb[0]).replace("{v}", verb[1])
    for slot, polarity in (("{A}", inner), ("{B}", inner), ("{g}", 1), ("{b}", 0)):
        text = text.replace(slot, adjective(rng, domain, polarity))
    while "{" in text:
        name = text[text.index("{") + 1 : text.index("}")]
        text = text.replace(f"{{{name}}}", rng.choice(SLOTS[name]), 1)
    return text


def _compose(rng: random.Random, label: int) -> tuple[str, float]:
    """A sentence and its worth: frames alone, together, or against each other."""
    kind = rng.random()
    if kind < 0.62:
        return _frame(rng, label), 1.0
    if kind < 0.72:
        return rng.choice(GLUE["and"]).join([_frame(rng, label), _frame(rng, label)]), 1.0
    if kind < 0.80:  # "but" alone decides nothing
        even = rng.choice(SLOTS["better" if label else "worse"])
        return rng.choice(GLUE["but"]).join([_frame(rng, label), even]), 1.0
    last = rng.choice(SLOTS["saved" if label else "ruined"]) if rng.random() < 0.4 else _frame(rng, label)
    first = _frame(rng, 1 - label)
    if rng.random() < 0.5:
        return rng.choice(GLUE["but"]).join([first, last]), ONE_AGAINST
    return rng.choice(GLUE["but"]).join([f"{first} and {_frame(rng, 1 - label)}", last]), TWO_AGAINST


def rows(count: int, seed: int) -> list[tuple[Row, float]]:
    """`count` different sentences, half of each label, each with its worth from 0 to 1."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        label = len(found) % 2
        text, worth = _compose(rng, label)
        found.setdefault(templates_en.style(rng, text), (label, worth))
    return [(Row(text, label), worth) for text, (label, worth) in found.items()]
