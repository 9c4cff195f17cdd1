"""Everyday Chinese sentences with a known label.

The reviews are of goods, hotels and take-away food; films, books and plain negation are
rare in them, so a modest share of the training rows comes from here."""

import random

from . import words_zh
from .common import Row


def _table(lists: dict[str, str]) -> dict[str, list[str]]:
    return {key: [word.strip() for word in text.split("|")] for key, text in lists.items()}


NOUNS, POSITIVE, NEGATIVE = _table(words_zh.NOUNS), _table(words_zh.POSITIVE), _table(words_zh.NEGATIVE)
WHOLE = [(item[1:], int(item[0] == "+")) for item in words_zh.PHRASES.split()]
STRONG = [
    "很",
    "很",
    "很",
    "非常",
    "真",
    "真的很",
    "太",
    "特别",
    "十分",
    "超级",
    "挺",
    "相当",
    "真是太",
    "实在是太",
]
NEGATION = [
    "不{}",
    "不{}",
    "一点也不{}",
    "一点都不{}",
    "不太{}",
    "不是很{}",
    "并不{}",
    "不怎么{}",
    "根本不{}",
    "没有那么{}",
]
ALIKE = ["，", "，", "，也", "。", "，而且"]
TURNS = ["，但是", "，但", "，可是", "，不过"]
# Words that "很" or "不" cannot be put before.
STIFF = tuple("不错 不 很 没 令 让 超出 一流 挺 可以 完美 一塌 垃圾 一般 失败 引人 经典".split())


def _noun(rng: random.Random, domain: str) -> str:
    noun = rng.choice(NOUNS[domain])
    if domain == "story" and rng.random() < 0.5:
        noun = rng.choice(["这部", "这个", "这部", "那部", "整部"]) + rng.choice(
            ["电影", "片子", "电视剧", "影片", noun]
        )
    elif rng.random() < 0.35:
        noun = rng.choice(["这个", "这家的", "他们的", "这里的", "这次的", "店里的"]) + noun
    return noun


def _word(rng: random.Random, domain: str, label: int) -> str:
    table = POSITIVE if label else NEGATIVE
    return rng.choice(table["any"] if rng.random() < 0.4 else table[domain])


def _clause(rng: random.Random, label: int) -> str:
    """A subject and a judgement of polarity `label`, plain or by negation."""
    domain = rng.choice(list(NOUNS))
    subject = _noun(rng, domain) if rng.random() < 0.85 else ""
    kind = rng.random()
    if kind < 0.55:
        word = _word(rng, domain, label)
        if word.startswith(STIFF):
            return f"{subject}{rng.choice(['', '真的', '真', '还', '确实'])}{word}"
        strong = rng.choice(STRONG)
        return f"{subject}{strong}{word}{'了' if strong.endswith('太') and rng.random() < 0.8 else ''}"
    if kind < 0.82:
        word = _word(rng, domain, 1 - label)
        while word.startswith(STIFF):
            word = _word(rng, domain, 1 - label)
        return f"{subject}{rng.choice(NEGATION).format(word)}"
    text, polarity = rng.choice(WHOLE)
    while polarity != label:
        text, polarity = rng.choice(WHOLE)
    return text if rng.random() < 0.5 else f"{subject}{text}"


def _compose(rng: random.Random, label: int) -> str:
    kind = rng.random()
    if kind < 0.6:
        return _clause(rng, label)
    if kind < 0.8:
        return f"{_clause(rng, label)}{rng.choice(ALIKE)}{_clause(rng, label)}"
    if kind < 0.92:
        return f"{_clause(rng, 1 - label)}{rng.choice(TURNS)}{_clause(rng, label)}"
    return f"虽然{_clause(rng, 1 - label)}，但是{_clause(rng, label)}"


def rows(count: int, seed: int) -> list[Row]:
    """`count` different sentences, half of each label."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        label = len(found) % 2
        found.setdefault(_compose(rng, label) + rng.choice(["", "。", "。", "！"]), label)
    return [Row(text, label) for text, label in found.items()]


def grades(count: int, seed: int) -> list[tuple[str, float]]:
    """Texts with how likely they are positive: nouns alone say nothing, and an intensifier
    makes a judgement surer. This is what puts "很" above the noun in an explanation."""
    rng = random.Random(seed)
    nouns = [noun for group in NOUNS.values() for noun in group]
    found = {f"{start}{noun}": 0.5 for noun in nouns for start in ("", "这个", "这部", "这家", "我的")}
    found |= {"真的": 0.5, "这部": 0.5, "这个": 0.5, "我": 0.5, "了": 0.5, "。": 0.5, "，": 0.5}
    while len(found) < count:
        domain, label = rng.choice(list(NOUNS)), len(found) % 2
        word = _word(rng, domain, label)
        if word.startswith(STIFF):
            continue
        degree, sure = rng.choice(
            [("", 0.82), ("真的", 0.84), ("很", 0.95), ("非常", 0.96), ("真的很", 0.96)]
        )
        text = f"{_noun(rng, domain)}{degree}{word}{rng.choice(['', '', '。'])}"
        found.setdefault(text, sure if label else 1 - sure)
    return list(found.items())
