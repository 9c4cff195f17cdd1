"""More text from the text there is: spans, splices and word replacements.

The treebank labels phrases as well as sentences; random spans labelled by the teachers
come near to that, and teach the student what single words and short phrases do."""

import random


def spans(texts: list[str], count: int, longest: int, seed: int) -> list[str]:
    """`count` random spans of 1 to `longest` words, short ones more often."""
    rng, out = random.Random(seed), []
    split = [text.split() for text in texts]
    split = [words for words in split if len(words) > 2]
    while len(out) < count:
        words = rng.choice(split)
        length = min(len(words), max(1, int(longest * rng.random() ** 1.5) + 1))
        start = rng.randrange(len(words) - length + 1)
        out.append(" ".join(words[start : start + length]))
    return out


def splices(texts: list[str], count: int, seed: int, joints: list[str]) -> list[str]:
    """Spans of two texts put together: contrasts and turns the data has too few of."""
    one = spans(texts, count, 12, seed)
    two = spans(texts, count, 12, seed + 1)
    rng = random.Random(seed)
    return [f"{a}{rng.choice(joints)}{b}" for a, b in zip(one, two)]


def replacements(
    texts: list[str], count: int, near: dict[str, list[str]], seed: int, share: float = 0.2
) -> list[str]:
    """Texts with some words exchanged for a neighbour in the teacher's embedding space, or dropped."""
    rng, out = random.Random(seed), []
    while len(out) < count:
        words = []
        for word in rng.choice(texts).split():
            chance = rng.random()
            if chance < share and word.lower() in near:
                word = rng.choice(near[word.lower()])
            elif chance > 0.95:
                continue
            words.append(word)
        if words:
            out.append(" ".join(words))
    return out


def unique(texts: list[str], without: set[str] = frozenset()) -> list[str]:
    """Each text once, in order, and none of `without` (the rows kept for testing)."""
    banned = {normal(text) for text in without}
    return [text for text in dict.fromkeys(texts) if text.strip() and normal(text) not in banned]


def normal(text: str) -> str:
    """A text's letters and digits alone, to compare rows written in different styles."""
    return "".join(character for character in text.lower() if character.isalnum())
