"""Excerpts of JSON in the documentation, and whether a response matches them.

An ellipsis stands for what is left out: more fields of an object, more elements of a list, any
value, or any part of a string. Comments begin with //.
"""

import fnmatch
import json
from collections.abc import Iterator
from decimal import Decimal

ANY = "…"
# Vector units round differently in the last digits.
RELATIVE, ABSOLUTE = Decimal("2e-5"), Decimal("2e-6")


def parse(text: str) -> list[object]:
    """The excerpts of a block: values one after another."""
    text = _as_json(text).strip()
    decoder = json.JSONDecoder(parse_float=Decimal)
    values = []
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].strip()
    return values


def _as_json(text: str) -> str:
    """Removes comments, and quotes ellipses."""
    out: list[str] = []
    open_brackets: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == '"':
            end = at + 1
            while text[end] != '"':
                end += 2 if text[end] == "\\" else 1
            out.append(text[at : end + 1])
            at = end + 1
            continue
        if text.startswith("//", at):
            at = (text + "\n").index("\n", at)
            continue
        if char in "{[":
            open_brackets.append(char)
        elif char in "}]":
            open_brackets.pop()
        elif char == ANY:
            is_field = open_brackets[-1:] == ["{"] and "".join(out).rstrip()[-1:] != ":"
            char = f'"{ANY}": "{ANY}"' if is_field else f'"{ANY}"'
        out.append(char)
        at += 1
    return "".join(out)


def matches(pattern: object, value: object, *, shape: bool = False) -> bool:
    """Whether the value is as in the excerpt; with `shape`, only its fields and types are."""
    if pattern == ANY:
        return True
    if isinstance(pattern, dict):
        return isinstance(value, dict) and _fields_match(pattern, value, shape)
    if isinstance(pattern, list):
        return isinstance(value, list) and _elements_match(pattern, value, shape)
    if isinstance(pattern, bool) or pattern is None:
        return type(pattern) is type(value) if shape else pattern is value
    if isinstance(pattern, str):
        return isinstance(value, str) and (shape or text_matches(pattern, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return shape or _number_matches(pattern, value)


def _fields_match(pattern: dict, value: dict, shape: bool) -> bool:
    named = pattern.keys() - {ANY}
    if not named <= value.keys() or (ANY not in pattern and named != value.keys()):
        return False
    return all(
        # Times differ.
        matches(pattern[name], value[name], shape=shape or name.endswith("_ms"))
        for name in named
    )


def _elements_match(pattern: list, value: list, shape: bool) -> bool:
    if not pattern:
        return not value
    first, rest = pattern[0], pattern[1:]
    if first == ANY:
        return any(_elements_match(rest, value[skip:], shape) for skip in range(len(value) + 1))
    if not value or not matches(first, value[0], shape=shape):
        # The numbers of elements need not be the same.
        return shape and not value
    return _elements_match(rest, value[1:], shape) or (shape and not rest)


def text_matches(pattern: str, value: str) -> bool:
    """Whether a text is as in the excerpt, in which an ellipsis stands for any part."""
    literal = "*".join(part.replace("[", "[[]").replace("*", "[*]") for part in pattern.split(ANY))
    return fnmatch.fnmatchcase(value, literal)


def _number_matches(pattern: int | Decimal, value: float) -> bool:
    if isinstance(pattern, int):
        return pattern == value
    last_digit = Decimal(1).scaleb(pattern.as_tuple().exponent)
    allowed = max(last_digit * Decimal("0.51"), abs(pattern) * RELATIVE, ABSOLUTE)
    return abs(Decimal(value) - pattern) <= allowed


def parts(value: object) -> Iterator[object]:
    """A value and everything in it."""
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from parts(each)
