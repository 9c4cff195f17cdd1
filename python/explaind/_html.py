"""Heat maps for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explaind.errors import Problem
    from explaind.results import Explanation, Prediction, Result, Token, Unit

# Translucent, so that the text has the colour and contrast of the notebook's theme.
SUPPORTS, OPPOSES = "255,140,0", "70,130,255"
LARGEST_OPACITY = 0.55


def result(each: Result) -> str:
    maps = "".join(_map(each, explanation) for explanation in each.explanations)
    notes = "".join(f"<li>{escape(warning['detail'])}</li>" for warning in each.warnings)
    return (
        f'<div class="explaind">{predictions(each.predictions)}{maps}'
        f"{f'<ul>{notes}</ul>' if notes else ''}</div>"
    )


def predictions(best_first: Iterable[Prediction]) -> str:
    shown = (f"<b>{escape(each.label)}</b> {each.probability:.3f}" for each in best_first)
    return f"<div>{' · '.join(shown)}</div>"


def problem(each: Problem) -> str:
    return f"<div><b>{escape(each.title)}</b>: {escape(each.detail)}</div>"


def _map(of: Result, explanation: Explanation) -> str:
    unit = "word" if "word" in explanation.attributions else next(iter(explanation.attributions))
    scores = explanation.attributions[unit]
    largest = max(map(abs, scores), default=0.0) or 1.0
    title = f"{explanation.method} · {explanation.target_name} · {explanation.output}"
    marked = _marked(of.units(unit), scores, largest)
    return (
        f'<figure style="margin:.5em 0"><figcaption><small>{escape(title)}</small></figcaption>'
        f'<div style="line-height:1.9">{marked}</div></figure>'
    )


def _marked(units: Sequence[Unit | Token], scores: list[float], largest: float) -> str:
    parts: list[str] = []
    before: Unit | Token | None = None
    for each, score in zip(units, scores, strict=True):
        if before is not None:
            parts.append(_gap(before, each))
        colour = SUPPORTS if score >= 0 else OPPOSES
        opacity = LARGEST_OPACITY * abs(score) / largest
        # Colour is not the only difference.
        line = "solid" if score >= 0 else "dashed"
        parts.append(
            f'<span title="{score:+.4g}" style="background:rgba({colour},{opacity:.3f});'
            f'border-bottom:2px {line} rgba({colour},{opacity:.3f})">{escape(each.text)}</span>'
        )
        before = each
    return "".join(parts)


def _gap(before: Unit | Token, after: Unit | Token) -> str:
    if after.segment != before.segment:
        return "<br>"
    return " " if after.start > before.end or after.start == after.end else ""
