"""Everyday English sentences with a known label.

Film-review sentences alone teach neither food and hotels nor plain negation, so a modest
share of the training rows comes from here: nouns of many domains, adjectives of a known
polarity, and patterns whose effect on that polarity is known."""

import random
import re

from . import words_en
from .common import Row


def _table(lists: dict[str, str]) -> dict[str, list[str]]:
    return {key: [word.strip() for word in text.split("|")] for key, text in lists.items()}


NOUNS, POSITIVE, NEGATIVE = _table(words_en.NOUNS), _table(words_en.POSITIVE), _table(words_en.NEGATIVE)
PHRASES = [(line[2:], int(line[0] == "+")) for line in words_en.PHRASES.strip().splitlines()]
ADVERBS = "really very so truly quite pretty absolutely extremely just simply incredibly totally".split()
NEGATIONS = [
    *["not {}"] * 3, "not {} at all", "not very {}", "not that {}", "not really {}", "not so {}", "never {}",
    "not {} in any way",
]  # fmt: skip
REVERSALS = ["far from {}", "anything but {}"]
BELITTLING = ["hardly {}", "barely {}", "not exactly {}"]
ALIKE = ["and", "and", ",", ".", "and also"]
TURNS = [", but", "but", ", however ,", ", yet"]
CONCESSIONS = ["although", "even though", "while", "despite what they say ,"]
PLURAL = {"shoes", "headphones", "characters", "jokes"}
# Words that take no adverb and no "not ... at all" gracefully.
FIXED = ("a ", "best", "worst", "perfect", "very ", "garbage")
SLOTS = {
    "{love}": "love|loved|enjoyed|like|liked|really like|adore|appreciate|really enjoyed".split("|"),
    "{hate}": "hate|hated|dislike|disliked|can not stand|really hate|regret".split("|"),
    "{like}": ["like", "enjoy", "love", "trust", "care for"],
    "{adv}": ["", "definitely ", "gladly ", "strongly ", "happily "],
}
# The long form, and the stem before "n't" (written apart in the treebank's style).
CONTRACTIONS = {f"{verb} not": verb for verb in "is was are were do does did would could".split()}
CONTRACTIONS |= {"can not": "ca", "will not": "wo"}


def _noun(rng: random.Random, domain: str) -> tuple[str, bool]:
    noun = rng.choice(NOUNS[domain])
    article = rng.choice(["the", "the", "the", "this", "my", "our", "their"])
    return f"{article if noun not in PLURAL or article != 'this' else 'these'} {noun}", noun in PLURAL


def _adjective(rng: random.Random, domain: str, label: int) -> str:
    table = POSITIVE if label else NEGATIVE
    return rng.choice(table["any"] if rng.random() < 0.5 else table[domain])


def _clause(rng: random.Random, label: int) -> str:
    """One clause with a subject, whose polarity is `label` (plain or by negation)."""
    domain = rng.choice(list(NOUNS))
    subject, plural = _noun(rng, domain)
    subject = rng.choice([subject] * 5 + (["they"] if plural else ["it", "this", "that", "everything"]))
    be = rng.choice(["are", "were"] if plural or subject == "they" else ["is", "was"])
    plain, other = _adjective(rng, domain, label), _adjective(rng, domain, 1 - label)
    while other.startswith(FIXED):
        other = _adjective(rng, domain, 1 - label)
    kind = rng.random()
    if kind < 0.40:
        adverb = "" if plain.startswith(FIXED) else rng.choice(["", "", f"{rng.choice(ADVERBS)} "])
        return f"{subject} {be} {'the ' if plain in ('best', 'worst') else ''}{adverb}{plain}"
    if kind < 0.72:
        return f"{subject} {be} {rng.choice(NEGATIONS).format(other)}"
    if kind < 0.80:
        forms = REVERSALS + ([] if label else BELITTLING) + ["neither {} nor {two}"]
        two = _adjective(rng, domain, 1 - label)
        return f"{subject} {be} {rng.choice(forms).format(other, two=two)}"
    if kind < 0.88 and not plain.startswith(FIXED):
        start = f"{rng.choice(['it', 'this', 'that', subject])} {'was' if not plural else 'had'}"
        return f"{start} a {rng.choice(['really', 'very', ''])} {plain} {rng.choice(NOUNS[domain])}"
    if kind < 0.92 and not label:
        return f"{rng.choice(['it', 'this', 'that', 'there'])} was not a {other} {rng.choice(NOUNS[domain])}"
    return _phrase(rng, label)


def _phrase(rng: random.Random, label: int) -> str:
    text, polarity = rng.choice(PHRASES)
    while polarity != label:
        text, polarity = rng.choice(PHRASES)
    nouns = [noun for noun in NOUNS[rng.choice(list(NOUNS))] if noun not in PLURAL]
    text = text.replace("{N}", f"{rng.choice(['the', 'this', 'the'])} {rng.choice(nouns)}")
    text = text.replace("{n}", rng.choice(nouns))
    for slot, words in SLOTS.items():
        text = text.replace(slot, rng.choice(words))
    return text


def _compose(rng: random.Random, label: int) -> str:
    """One or two clauses; in a contrast the clause after "but" decides."""
    kind = rng.random()
    if kind < 0.50:
        return _clause(rng, label)
    if kind < 0.62:
        return _phrase(rng, label)
    if kind < 0.74:
        return f"{_clause(rng, label)} {rng.choice(ALIKE)} {_clause(rng, label)}"
    if kind < 0.88:
        return f"{_clause(rng, 1 - label)} {rng.choice(TURNS)} {_clause(rng, label)}"
    if kind < 0.94:
        return f"{rng.choice(CONCESSIONS)} {_clause(rng, 1 - label)} , {_clause(rng, label)}"
    domain = rng.choice(list(NOUNS))
    one, two = _adjective(rng, domain, label), _adjective(rng, domain, 1 - label)
    if kind < 0.97:  # short answers: "Not boring at all.", "really lovely"
        tail = rng.choice(["not {} at all", "not {}", "not that {}"]).format(two)
        return tail if not two.startswith(FIXED) else one
    return rng.choice(["{adv} {one}", "{one} {noun}", "what a {one} {noun}", "{one} , {adv} {three}"]).format(
        adv=rng.choice(ADVERBS), one=one, noun=rng.choice(NOUNS[domain]), three=_adjective(rng, domain, label)
    )


def style(rng: random.Random, text: str) -> str:
    """Write contractions and punctuation the everyday way or the treebank's way."""
    form = rng.choice([0, 1, 1, 2])
    for plain, stem in CONTRACTIONS.items():
        text = text.replace(f"{plain} ", [f"{plain} ", f"{stem}n't ", f"{stem} n't "][form])
    text = re.sub(r"\ba (?=[aeiou])", "an ", " ".join(text.split()))
    end = rng.choice([".", ".", ".", "!", ""])
    if form == 2:
        return f"{text} {end}".strip()
    for mark in ",.":
        text = text.replace(f" {mark}", mark)
    return text[0].upper() + text[1:] + end


def rows(count: int, seed: int) -> list[Row]:
    """`count` different sentences, half of each label."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        label = len(found) % 2
        found.setdefault(style(rng, _compose(rng, label)), label)
    return [Row(text, label) for text, label in found.items()]
