"""The postprocessing of transformers' pipelines, in the model's precision.

transformers 5 has no question-answering pipeline: this is the algorithm of 4.57, the last version
with it, for a text that fits, with its defaults.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from transformers import TokenClassificationPipeline

STRATEGIES = ("none", "simple", "first", "average", "max")
FILLS = 5


def entities(reference, text: str | list[str]) -> dict[str, list[dict]]:
    """The results of the token-classification pipeline by aggregation strategy, for a text or a
    list of words."""
    pipeline = TokenClassificationPipeline(
        model=reference.model, tokenizer=reference.tokenizer, device="cpu"
    )
    cut = isinstance(text, list)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # not every tokenizer supports words
        answers = {
            name: pipeline(text, aggregation_strategy=name, is_split_into_words=cut)
            for name in STRATEGIES
        }
    if cut:  # there is one list per text
        answers = {name: answer[0] for name, answer in answers.items()}

    encoded = reference.encode(text)
    ends = {pair[1]: whole[1] for pair, whole in zip(encoded.encoding.offsets, encoded.offsets)}

    def plain(entity: dict) -> dict:
        """Ends the entity after a whole character."""
        return {**entity, "score": float(entity["score"]), "end": ends[entity["end"]]}

    return {name: [plain(entity) for entity in answer] for name, answer in answers.items()}


def fill(reference, probabilities: torch.Tensor) -> list[dict]:
    """The best tokens of the fill-mask pipeline for one mask."""
    scores, ids = probabilities.topk(FILLS)
    return [
        {"token": piece, "token_str": reference.tokenizer.decode([piece]), "score": score}
        for score, piece in zip(scores.tolist(), ids.tolist(), strict=True)
    ]


# Question answering.


def candidates(reference, encoded) -> torch.Tensor:
    """The tokens that can begin or end an answer: those of the second text, and any [CLS]."""
    context = torch.tensor([segment == 1 for segment in encoded.segments])
    return context | (encoded.input_ids[0] == reference.tokenizer.cls_token_id)


def answer_softmax(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Softmax over the candidates; [..., tokens]."""
    return logits.masked_fill(~mask, -10000.0).softmax(-1)


def answer(reference, encoded, tensors: dict) -> dict:
    """The best answer, extended to word boundaries, and the tokens of its best span."""
    return answers(reference, encoded, tensors)["answers"][0]


def answers(
    reference,
    encoded,
    tensors: dict,
    top_k: int = 1,
    max_answer_len: int = 15,
    handle_impossible_answer: bool = False,
) -> dict:
    """The best answers, best first, and the score of no answer."""
    start = tensors["start_probabilities"].numpy().copy()
    end = tensors["end_probabilities"].numpy().copy()
    null_score = float(start[0] * end[0])
    start[0] = end[0] = 0.0  # the first token stands for no answer
    scores = np.tril(np.triu(np.outer(start, end)), max_answer_len - 1)
    order = np.argsort(-scores, axis=None, kind="stable")[: 2 * top_k + 10]
    allowed = candidates(reference, encoded)

    answers = {}
    for first, last in zip(*np.unravel_index(order, scores.shape), strict=True):
        if not (allowed[first] and allowed[last]):
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
    """The range of code points of the second text from the first token's word to the last's."""
    encoding = encoded.encoding
    try:
        words = encoding.token_to_word(first), encoding.token_to_word(last)
        return (
            encoding.word_to_chars(words[0], sequence_index=1)[0],
            encoding.word_to_chars(words[1], sequence_index=1)[1],
        )
    except Exception:  # as in the pipeline: tokens without a word
        return encoding.offsets[first][0], encoding.offsets[last][1]
