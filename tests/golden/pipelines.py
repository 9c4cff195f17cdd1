"""What transformers' pipelines make of the model's numbers, in the model's precision.

The question-answering pipeline is gone from transformers 5: here are the rules of 4.57, the last
that had it, for a text that fits, with its defaults.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from transformers import TokenClassificationPipeline

STRATEGIES = ("none", "simple", "first", "average", "max")
FILLS = 5


def entities(reference, text: str | list[str]) -> dict[str, list[dict]]:
    """The token-classification pipeline's answer by aggregation strategy, of a text or of words
    that are cut already."""
    pipeline = TokenClassificationPipeline(
        model=reference.model, tokenizer=reference.tokenizer, device="cpu"
    )
    cut = isinstance(text, list)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that not every tokenizer knows words
        answers = {
            name: pipeline(text, aggregation_strategy=name, is_split_into_words=cut)
            for name in STRATEGIES
        }
    if cut:  # a list of lists of words has a list for each
        answers = {name: answer[0] for name, answer in answers.items()}

    encoded = reference.encode(text)
    ends = {pair[1]: whole[1] for pair, whole in zip(encoded.encoding.offsets, encoded.offsets)}

    def plain(entity: dict) -> dict:
        """Its text ends where the last character does."""
        return {**entity, "score": float(entity["score"]), "end": ends[entity["end"]]}

    return {name: [plain(entity) for entity in answer] for name, answer in answers.items()}


def fill(reference, probabilities: torch.Tensor) -> list[dict]:
    """The fill-mask pipeline's best pieces for one mask."""
    scores, ids = probabilities.topk(FILLS)
    return [
        {"token": piece, "token_str": reference.tokenizer.decode([piece]), "score": score}
        for score, piece in zip(scores.tolist(), ids.tolist(), strict=True)
    ]


# Question answering.


def candidates(reference, encoded) -> torch.Tensor:
    """Which tokens can begin or end an answer: the second text's, and any [CLS]."""
    context = torch.tensor([segment == 1 for segment in encoded.segments])
    return context | (encoded.input_ids[0] == reference.tokenizer.cls_token_id)


def answer_softmax(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Over the candidates; [..., tokens]."""
    return logits.masked_fill(~wanted, -10000.0).softmax(-1)


def answer(reference, encoded, tensors: dict) -> dict:
    """The best answer, cut at the borders of words, and the tokens of its best span."""
    return answers(reference, encoded, tensors)["answers"][0]


def answers(
    reference,
    encoded,
    tensors: dict,
    top_k: int = 1,
    max_answer_len: int = 15,
    handle_impossible_answer: bool = False,
) -> dict:
    """The best answers, the best first, and the score of there being none."""
    start = tensors["start_probabilities"].numpy().copy()
    end = tensors["end_probabilities"].numpy().copy()
    null_score = float(start[0] * end[0])
    start[0] = end[0] = 0.0  # no answer is no answer
    scores = np.tril(np.triu(np.outer(start, end)), max_answer_len - 1)
    order = np.argsort(-scores, axis=None, kind="stable")[: 2 * top_k + 10]
    wanted = candidates(reference, encoded)

    answers = {}
    for first, last in zip(*np.unravel_index(order, scores.shape), strict=True):
        if not (wanted[first] and wanted[last]):
            continue
        begin, finish = borders(encoded, int(first), int(last))
        text = encoded.text_pair[begin:finish]
        found = answers.setdefault(
            text.lower(),
            {
                "text": text,
                "start": begin,
                "end": finish,
                "score": 0.0,
                "start_token": int(first),
                "end_token": int(last),
            },
        )
        found["score"] += float(scores[first, last])  # spans of the same text are one answer
    found = list(answers.values())
    if handle_impossible_answer:
        empty = {"text": "", "start": 0, "end": 0, "start_token": 0, "end_token": 0}
        found.append({**empty, "score": null_score})
    best = sorted(found, key=lambda answer: answer["score"], reverse=True)[:top_k]
    return {"answers": best, "null_score": null_score}


def borders(encoded, first: int, last: int) -> tuple[int, int]:
    """The code points of the second text from a token's word to another's."""
    encoding = encoded.encoding
    try:
        words = encoding.token_to_word(first), encoding.token_to_word(last)
        return (
            encoding.word_to_chars(words[0], sequence_index=1)[0],
            encoding.word_to_chars(words[1], sequence_index=1)[1],
        )
    except Exception:  # as the pipeline: tokens that are of no word
        return encoding.offsets[first][0], encoding.offsets[last][1]
