"""Figures of a model card, kept between two marks so that the prose stays hand-written."""

from pathlib import Path

from .common import LABELS

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def refresh(path: Path, result: dict) -> None:
    """Replace the measured part of the card; a folder without a card is left alone."""
    if not path.exists():
        return
    text = path.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{render(result)}\n{END}{after}", encoding="utf-8")


def render(result: dict) -> str:
    """Accuracy, logits, size and the attribution table as Markdown."""
    lines = ["| set | rows | right | accuracy | 95 % interval |", "|---|---|---|---|---|"]
    for name, score in result["scores"].items():
        interval = f"{score.low:.3f} to {score.high:.3f}"
        lines.append(f"| {name} | {score.n} | {score.correct} | {score.share:.3f} | {interval} |")
    worst = max(example.delta for example in result["examples"])
    lines += [
        "",
        f"Model files: {result['bytes']:,} bytes without this card. Parameters: {result['parameters']:,}.",
        f"Logits on dev: median size {result['typical_logit']:.2f}, largest {result['largest_logit']:.2f}.",
        "",
        "Integrated gradients on the word embeddings (50 steps, Gauss-Legendre, baseline [PAD] for all but",
        "[CLS] and [SEP], predicted logit; the scores are sums over a word's pieces). The sums differ from",
        f"the change of the logit by at most {worst:.5f} in these examples.",
        "",
        "| text | prediction | logit | words that add most |",
        "|---|---|---|---|",
    ]
    for example in result["examples"]:
        words = ", ".join(f"{word} {number:+.2f}" for word, number in example.top(3))
        lines.append(
            f"| {example.text} | {LABELS[example.label]} | {example.logits[example.label]:.2f} | {words} |"
        )
    return "\n".join(lines)
