"""Integrated gradients by words, the explanation the finished model will be asked for."""

import re
from dataclasses import dataclass

import torch
from captum.attr import LayerIntegratedGradients

WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Explanation:
    """The prediction for a text and what each of its words adds to that logit."""

    text: str
    label: int
    logits: list[float]
    words: list[tuple[str, float]]
    delta: float

    def top(self, n: int) -> list[tuple[str, float]]:
        """The `n` words that add most to the predicted logit."""
        return sorted(self.words, key=lambda pair: -pair[1])[:n]


def explain(model, tokenizer, text: str, words: list[str] | None = None) -> Explanation:
    """Explain the predicted logit; the baseline is [PAD] for all but [CLS] and [SEP].

    `words` gives a segmentation of the text where spaces do not (Chinese)."""
    model.eval()
    encoding = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    ids, mask = encoding["input_ids"], encoding["attention_mask"]
    baseline = torch.full_like(ids, tokenizer.pad_token_id)
    baseline[0, 0], baseline[0, -1] = ids[0, 0], ids[0, -1]

    def forward(ids, mask):
        return model(input_ids=ids, attention_mask=mask).logits

    with torch.no_grad():
        logits = forward(ids, mask)[0]
    label = int(logits.argmax())
    method = LayerIntegratedGradients(forward, model.bert.embeddings.word_embeddings)
    scores, delta = method.attribute(
        ids,
        baselines=baseline,
        target=label,
        additional_forward_args=(mask,),
        n_steps=50,
        method="gausslegendre",
        return_convergence_delta=True,
    )
    tokens = scores.sum(-1)[0].tolist()
    spans = _spans(text, words)
    sums = [0.0] * len(spans)
    for score, (start, end) in zip(tokens, encoding["offset_mapping"][0].tolist()):
        for i, (first, last) in enumerate(spans):
            if first <= start < last and end > start:
                sums[i] += score
    named = [(text[a:b], s) for (a, b), s in zip(spans, sums)]
    return Explanation(text, label, logits.tolist(), named, abs(delta.item()))


def _spans(text: str, words: list[str] | None) -> list[tuple[int, int]]:
    if words is None:
        return [match.span() for match in WORD.finditer(text)]
    spans, at = [], 0
    for word in words:
        start = text.index(word, at)
        at = start + len(word)
        spans.append((start, at))
    return spans
