"""The vocabularies of the tiny tokenizers."""

from __future__ import annotations

import string

WORDS = """
the of and to in is it this that was for on with as but be at not have from i you he she we they
movie film story plot actor great good bad really very like love hate fun dull ok best worst
never always some no yes so too much more i'm who what why how made see watch time end
music scene one two first last well new old book day
""".split()
SUFFIXES = ["ing", "ed", "er", "est", "ly", "es", "able", "ful", "ness", "ive"]
CHINESE = list("这部电影真的很棒不好看我喜欢差人是了在一故事无聊,。")
PUNCTUATION = list(".,!?'\"()-:;%")

# Words that are one token in every vocabulary, after a space: they fill a text to the limit.
FILLING = "this old film was very good and so".split()


def wordpiece(first: list[str], last: list[str]) -> dict[str, int]:
    """WordPiece tokens and their ids, between special tokens."""
    letters, digits = string.ascii_lowercase, string.digits
    pieces = [
        *first,
        *letters,
        *(f"##{letter}" for letter in letters),
        *digits,
        *(f"##{digit}" for digit in digits),
        *PUNCTUATION,
        *(f"##{suffix}" for suffix in SUFFIXES),
        *WORDS,
        *CHINESE,
        *last,
    ]
    return {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}


def unigram(first: list[tuple[str, float]], last: list[str]) -> list[tuple[str, float]]:
    """SentencePiece tokens and their log probabilities: words, then suffixes, then letters.

    Includes capitals, so that they are not unknown to a cased tokenizer.
    """
    pieces = {"▁": -3.0}
    words = dict.fromkeys([*FILLING, *WORDS[:66]])
    pieces |= {f"▁{word}": -4.0 - 0.01 * rank for rank, word in enumerate(words)}
    pieces |= {suffix: -6.0 - 0.01 * rank for rank, suffix in enumerate(SUFFIXES)}
    pieces |= {mark: -5.0 - 0.01 * rank for rank, mark in enumerate([*PUNCTUATION, "é"])}
    pieces |= {"电影": -7.0}
    pieces |= {letter: -8.0 - 0.01 * rank for rank, letter in enumerate(string.ascii_letters)}
    pieces |= {sign: -9.0 - 0.01 * rank for rank, sign in enumerate([*string.digits, *CHINESE])}
    return [*first, *pieces.items(), *((piece, 0.0) for piece in last)]


def byte_alphabet() -> list[str]:
    """The characters that represent the bytes 0 to 255 in byte-level BPE."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    signs = {byte: chr(byte) for byte in printable}
    signs |= {byte: chr(256 + index) for index, byte in enumerate(others)}
    return [signs[byte] for byte in range(256)]


def byte_merges() -> list[tuple[str, str]]:
    """Merges that build some words, suffixes and Chinese characters from left to right."""
    signs = byte_alphabet()
    words = [f" {word}" for word in (*FILLING, "the", "movie", "great", "is")]
    merges = {}
    for word in (*words, *SUFFIXES[:4], *"这电影的很好"):
        pieces = [signs[byte] for byte in word.encode()]
        for end in range(1, len(pieces)):
            merges["".join(pieces[:end]), pieces[end]] = None
    return list(merges)


def byte_pieces(first: list[str], last: list[str]) -> dict[str, int]:
    """Byte-level tokens and their ids: all 256 bytes, then the results of merges."""
    merged = ("".join(pair) for pair in byte_merges())
    pieces = dict.fromkeys([*first, *byte_alphabet(), *merged, *last])
    return {piece: index for index, piece in enumerate(pieces)}
